"""Write a report: one HTML file that works offline, Markdown, and every table and figure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.evidence.study import Study
from analysis.report.axes import rendered
from analysis.report.blocks import Answers, Block, Card, Code, Plot, Section, Table, Text, crash
from analysis.report.contents import sections
from analysis.words.language import MINUS, Language


@dataclass(frozen=True)
class Report:
    """A report on disk.

    paths: its files, in order. crashes: the card of each error, with the title of its section.
    """

    paths: list[Path]
    crashes: list[tuple[str, Card]]


@dataclass(frozen=True)
class Written:
    """A block with the content of its files."""

    block: Block
    kind: str
    svg: str = ""


def write(studies: list[Study], say: Language, directory: Path) -> Report:
    """Write report.html, report.md, tables/ and figures/."""
    files: dict[str, bytes] = {}
    made: list[tuple[Section, list[Written]]] = []
    for section in sections(studies, say):
        made.append((section, [_files(block, files, say) for block in section.blocks]))
    context = {
        "say": say,
        "title": title(studies, say),
        "sections": made,
        "sources": [source(study, say) for study in studies],
    }
    environment = Environment(
        loader=PackageLoader("analysis.report"),
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
    # With the figures that failed: a figure is drawn when it is written.
    written = [Section(s.key, s.title, [item.block for item in items]) for s, items in made]
    return Report(paths, [crash for section in written for crash in crashes(section)])


def title(studies: list[Study], say: Language) -> str:
    """Return the title of a report. It names dense networks if all studies have the built-in."""
    if any(study.own for study in studies):
        return say("Hyperparameter study", "Estudio de hiperparámetros")
    return say(
        "Hyperparameter study of dense networks", "Estudio de hiperparámetros de redes densas"
    )


def crashes(section: Section) -> list[tuple[str, Card]]:
    """Return the cards of the errors in a section, each with the section's title."""
    cards = [block for block in section.blocks if isinstance(block, Card)]
    return [(section.title, card) for card in cards if card.trace]


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
            return Written(crash("SECTION", error, say), "card")
        files[f"figures/{block.name}.svg"], files[f"figures/{block.name}.png"] = svg, png
        return Written(block, "plot", _inline(svg.decode(), block.name))
    kinds: dict[type, str] = {Card: "card", Answers: "answers", Code: "code", Text: "text"}
    return Written(block, kinds[type(block)])


def _latex(table: Table) -> str:
    styled = table.frame.style.hide(axis="index").format(escape="latex")
    styled = styled.format_index(escape="latex", axis=1)
    caption = re.sub(r"([&%$#_{}])", r"\\\1", table.caption)
    text = styled.to_latex(hrules=True, caption=caption, label=f"tab:{table.name}", position="htbp")
    # Characters that pdfLaTeX does not know.
    for sign, command in {MINUS: "$-$", "∞": r"$\infty$", "×": r"$\times$"}.items():
        text = text.replace(sign, command)
    return str(text)


def _inline(svg: str, name: str) -> str:
    """Return an SVG for inclusion in HTML: no XML header, and identifiers unique to the figure."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    found = set(re.findall(r'\bid="([^"]+)"', svg))
    return re.sub(
        r'(\bid="|url\(#|xlink:href="#|href="#)([^")]+)',
        lambda match: f"{match[1]}{name}-{match[2]}" if match[2] in found else match[0],
        svg,
    )


def source(study: Study, say: Language) -> dict[str, str]:
    """Return the origin of a study's numbers, for the last section of the report."""
    sessions = study.sessions
    states = study.trials["status"].value_counts()
    counts = ", ".join(f"{count} {status}" for status, count in states.items())
    known = {say("trials", "pruebas"): f"{len(study.trials)} ({counts})"}
    if sessions:
        last = sessions[-1]
        seconds = sum(session.seconds for session in sessions)
        known |= {
            "commit": ", ".join(dict.fromkeys(str(s.commit) for s in sessions)),
            say("versions", "versiones"): ", ".join(f"{k} {v}" for k, v in last.versions.items()),
            say("processor", "procesador"): last.processor,
            say("time", "tiempo"): say(
                f"{seconds / 60:.0f} min on {last.workers} workers",
                f"{seconds / 60:.0f} min con {last.workers} procesos",
            ),
            say("data", "datos"): ", ".join(
                f"{name} {digest[:12]}…" for name, digest in study.data.items()
            ),
        }
    known = {key: value for key, value in known.items() if value}
    return {say("study", "estudio"): study.name, **known}


def printable(made: Iterable[Section]) -> Iterator[str | pd.DataFrame]:
    """Yield the titles, sentences and tables of sections, for a terminal."""
    for section in made:
        yield f"# {section.title}"
        for block in section.blocks:
            if isinstance(block, Text):
                yield block.text
            elif isinstance(block, Table):
                yield block.frame
                yield block.caption
            elif isinstance(block, Card):
                todo = f" → {block.todo}" if block.todo else ""
                yield f"{block.status:5} {block.code}: {block.found}{todo}"
            elif isinstance(block, Code):
                yield block.text
            elif isinstance(block, Answers):
                for row in block.rows:
                    yield f"{row.question}{f' ({row.verdict})' if row.verdict else ''}"
                    yield f"  {row.answer}"
