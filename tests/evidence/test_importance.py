from analysis.simulations import RANKED, ranked


def test_fanova_ranks_the_planted_parameter_first():
    assert ranked(RANKED) == RANKED
