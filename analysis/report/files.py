"""Writes a report: one HTML file that works offline, Markdown, and every table and figure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.evidence.trials import Study
from analysis.report.blocks import Block, Card, Plot, Section, Table, Text
from analysis.report.contents import _broken, sections
from analysis.report.figures import rendered
from analysis.words.language import MINUS, Language


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
