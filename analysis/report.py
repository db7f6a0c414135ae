"""Writes a report: one HTML file that works offline, Markdown, and every table and figure."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis import checks, controlled, final, opened, path, searched, strategy
from analysis.blocks import Block, Card, Plot, Section, Table, Text
from analysis.errors import Misuse
from analysis.figures import rendered
from analysis.language import MINUS, Language
from analysis.trials import Study

Planned = tuple[str, str, Callable[[], list[Block]]]


def sections(studies: list[Study], say: Language, only: str | None = None) -> Iterator[Section]:
    """The sections of a report over these studies.

    only: the key of those to be made, or what it begins with. One that raises becomes a card that says why.
    """
    planned = _planned(studies, say)
    for study in studies:
        title = say(f"Health checks of {study.name}", f"Comprobaciones de {study.name}")
        planned.append((f"checks-{study.name}", title, lambda s=study: checks.cards(s, say)))  # type: ignore[misc]
    for key, title, make in planned:
        if only is None or key == only or key.startswith(f"{only}-"):
            yield _made(key, title, make, say)


def _planned(studies: list[Study], say: Language) -> list[Planned]:
    """The sections that tell of the studies, in the order of the exercises."""
    experiment, network, walked = (
        _only(studies, kind) for kind in ("exercises", "final", "exercises path")
    )
    # One search leads to the next. Nothing tells when a study of stock KerasTuner was begun.
    searches = sorted((s for s in studies if not s.parts), key=lambda s: s.begun or math.inf)
    planned = controlled.sections(experiment, say) if experiment else []
    earlier = [search for search in searches if network and led_to(search, network)]
    beside = network if walked and network and searched_by(walked) == searched_by(network) else None
    if network:
        planned += strategy.sections(network, earlier, walked if beside else None, say)
    before_final = {search.name for search in earlier}
    for search in searches:
        number = "4.1 · " if search.name in before_final else ""
        told = searched.sections(search, experiment, say)
        planned += [(key, number + title, make) for key, title, make in told]
    if network:
        own = next((s for s in searches if s.name == searched_by(network)), None)
        planned += final.sections(network, own, say)
    if walked:
        planned += path.sections(walked, beside, say)
    if network:
        planned += opened.sections(network, earlier, say)
    return planned


def _only(studies: list[Study], kind: str) -> Study | None:
    """The study of a kind, if any. Raises Misuse where there are several."""
    found = [study for study in studies if study.parts and study.kind == kind]
    if len(found) > 1:
        raise Misuse(
            f"{' and '.join(study.name for study in found)} are by `search {kind}`, of which a "
            "report takes one: name the studies it shall be of by --study"
        )
    return found[0] if found else None


def searched_by(study: Study) -> str:
    """The search that a final study or a path belongs to."""
    return str(study.about["arguments"]["search"])


def led_to(search: Study, final: Study) -> bool:
    """Whether a search was one of those before a final network: of the same data, and earlier."""
    if search.about.get("data") != final.about["data"]:
        return False
    return bool(search.begun and final.begun and search.begun < final.begun)


def _made(key: str, title: str, make: Callable[[], list[Block]], say: Language) -> Section:
    try:
        return Section(key, title, make())
    except Exception as error:  # the rest of the report is written whatever one section meets
        return Section(key, title, [_broken(error, say)])


def _broken(error: Exception, say: Language) -> Card:
    todo = say("the rest of the report stands", "el resto del informe es válido")
    return Card("SECTION", "FAIL", f"{type(error).__name__}: {error}", todo)


@dataclass(frozen=True)
class Written:
    """A block with its files' contents."""

    block: Block
    kind: str
    svg: str = ""


def write(studies: list[Study], say: Language, directory: Path) -> list[Path]:
    """Writes report.html, report.md, tables/ and figures/; returns the files, in order."""
    files: dict[str, bytes] = {}
    made: list[tuple[Section, list[Written]]] = []
    for section in sections(studies, say):
        made.append((section, [_files(block, files, say) for block in section.blocks]))
    context = {
        "say": say,
        "title": say(
            "Hyperparameter study of dense networks", "Estudio de hiperparámetros de redes densas"
        ),
        "sections": made,
        "sources": [source(study, say) for study in studies],
    }
    environment = Environment(
        loader=PackageLoader("analysis"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["rows"] = lambda frame: frame.astype(str).to_numpy().tolist()
    environment.filters["markdown"] = lambda frame: frame.to_markdown(
        index=False, disable_numparse=True
    )
    html = environment.overlay(autoescape=True).get_template("report.html")
    files["report.html"] = html.render(context).encode()
    files["report.md"] = environment.get_template("report.md").render(context).encode()
    paths = []
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        paths.append(file)
    return paths


def _files(block: Block, files: dict[str, bytes], say: Language) -> Written:
    if isinstance(block, Table):
        trials = say("trials", "pruebas")
        data = block.data.assign(trials=block.trials)
        shown = block.frame.assign(**{trials: block.trials})
        files[f"tables/{block.name}.csv"] = data.to_csv(index=False, lineterminator="\n").encode()
        markdown = shown.to_markdown(index=False, disable_numparse=True)
        files[f"tables/{block.name}.md"] = f"{markdown}\n\n{block.caption}\n".encode()
        latex = _latex(block)
        files[f"tables/{block.name}.tex"] = latex.encode()
        return Written(block, "table")
    if isinstance(block, Plot):
        try:
            svg, png = rendered(block.draw())
        except Exception as error:
            return Written(_broken(error, say), "card")
        files[f"figures/{block.name}.svg"], files[f"figures/{block.name}.png"] = svg, png
        return Written(block, "plot", _inline(svg.decode(), block.name))
    return Written(block, "card" if isinstance(block, Card) else "text")


def _latex(table: Table) -> str:
    styled = table.frame.style.hide(axis="index").format(escape="latex")
    styled = styled.format_index(escape="latex", axis=1)
    caption = re.sub(r"([&%$#_{}])", r"\\\1", table.caption)
    text = styled.to_latex(hrules=True, caption=caption, label=f"tab:{table.name}", position="htbp")
    # What pdfLaTeX has no letter for.
    for sign, command in {MINUS: "$-$", "∞": r"$\infty$", "×": r"$\times$"}.items():
        text = text.replace(sign, command)
    return str(text)


def _inline(svg: str, name: str) -> str:
    """An SVG to stand inside HTML: no XML head, and identifiers that no other figure has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    found = set(re.findall(r'\bid="([^"]+)"', svg))
    return re.sub(
        r'(\bid="|url\(#|xlink:href="#|href="#)([^")]+)',
        lambda match: f"{match[1]}{name}-{match[2]}" if match[2] in found else match[0],
        svg,
    )


def source(study: Study, say: Language) -> dict[str, str]:
    """Where a study's numbers come from: for the head of the report."""
    sessions: list[dict[str, Any]] = study.about.get("sessions", [])
    states = study.trials["status"].value_counts()
    counts = ", ".join(f"{count} {status}" for status, count in states.items())
    known = {say("trials", "pruebas"): f"{len(study.trials)} ({counts})"}
    if sessions:
        last = sessions[-1]
        versions = last.get("versions", {})
        seconds = sum(session["seconds"] for session in sessions)
        known |= {
            "commit": ", ".join(dict.fromkeys(str(s.get("commit")) for s in sessions)),
            say("versions", "versiones"): ", ".join(f"{k} {v}" for k, v in versions.items()),
            say("processor", "procesador"): str(last.get("processor")),
            say("time", "tiempo"): say(
                f"{seconds / 60:.0f} min on {last.get('workers')} workers",
                f"{seconds / 60:.0f} min con {last.get('workers')} procesos",
            ),
            say("data", "datos"): ", ".join(
                f"{name} {digest[:12]}…" for name, digest in study.about.get("data", {}).items()
            ),
        }
    return {say("study", "estudio"): study.name, **known}


def printable(studies: list[Study], say: Language, key: str | None) -> Iterator[str | pd.DataFrame]:
    """Titles, sentences and tables of a section, or of all, for a terminal."""
    for section in sections(studies, say, key):
        yield f"# {section.title}"
        for block in section.blocks:
            if isinstance(block, Text):
                yield block.text
            elif isinstance(block, Table):
                yield block.frame
                yield block.caption
            elif isinstance(block, Card):
                yield f"{block.status:5} {block.code}: {block.found}"
