"""Read tuner logs and report the results.

Needs neither TensorFlow, Keras nor KerasTuner; of `search`, it imports only `search.records`.
"""
