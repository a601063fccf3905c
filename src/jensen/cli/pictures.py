"""What a run can show: sample, encode, reconstruct, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jensen.cli.common import Run, Seed, open_run
from jensen.errors import JensenError


def sample(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option("--out", help=".png (a grid), .npy, .csv, .wav, .txt; text may be printed", metavar="FILE"),
    ] = None,
    num: Annotated[int | None, typer.Option("--num", help="how many: 200, or 3 of a text")] = None,
    given: Annotated[str | None, typer.Option("--given", help="y=3, caption=WORDS, entries", metavar="y=3")] = None,
    per_class: Annotated[int | None, typer.Option("--per-class", help="that many of every class")] = None,
    seed: Seed = 0,
    temperature: Annotated[float, typer.Option("--temperature", help="1 is the model itself")] = 1.0,
    top_k: Annotated[int | None, typer.Option("--top-k", help="only the k likeliest values of each entry")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="only the likeliest, of probability p")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="the beginning of a text")] = None,
    guidance: Annotated[float, typer.Option("--guidance", help="of a caption; 0 is the model itself")] = 0.0,
    length: Annotated[int | None, typer.Option("--length", help="of a sequence, where not the data's")] = None,
) -> None:
    """Draw from the model: without --temperature, --top-k, --top-p and --guidance the draws are its own."""
    from jensen.reporting.draw import check_name, draw, write_examples
    from jensen.reporting.text import one_after_another, texts_of

    if out is not None:
        check_name(out)
    model, split = open_run(run)
    is_text = split.spec.merges is not None
    if out is None and not is_text:
        raise JensenError("sample needs --out FILE, a name that ends in .png, .npy, .csv or .wav")
    means = out is not None and out.suffix == ".png"
    x = draw(
        model,
        (3 if is_text else 200) if num is None else num,
        spec=split.spec,
        given=given,
        per_class=per_class,
        seed=seed,
        temperature=temperature,
        length=length,
        top_k=top_k,
        top_p=top_p,
        prompt=prompt,
        guidance=guidance,
        means=means,
        data=split.train,
    )
    if out is None:
        print(one_after_another(texts_of(x, split.spec)), end="")
        return
    write_examples(out, x, split.train)
    what = "E[x | z] of draws of z" if means and hasattr(model, "sample_mean") else "draws"
    print(f"{out}: {len(x)} {what}")


def encode(
    run: Run,
    data: Annotated[str, typer.Option("--data", help="a named set (its test part), or a path", metavar="SPEC")],
    out: Annotated[Path, typer.Option("--out", help=".npy: mean, scale (2, N, Z); or codes (N, Z)", metavar="FILE")],
) -> None:
    """Write the posterior's mean and scale for each example, or its code."""
    from jensen.data import load_like
    from jensen.reporting.draw import check_name, write_array
    from jensen.reporting.draw import encode as posterior_of

    check_name(out, (".npy",))
    model, split = open_run(run)
    z = posterior_of(model, load_like(split, data))
    write_array(out, z)
    print(f"{out}: {'mean and scale of q(z | x)' if z.dim() == 3 else 'codes z'}, {tuple(z.shape)}")


def reconstruct(
    run: Run,
    data: Annotated[str, typer.Option("--data", help="a named set (its test part), or a path", metavar="SPEC")],
    out: Annotated[Path, typer.Option("--out", help=".png (a grid), .npy or .csv", metavar="FILE")],
) -> None:
    """Write each example's reconstruction: E[x | z] at the posterior's mean, or the decoded code."""
    from jensen.data import load_like
    from jensen.reporting.draw import check_name, write_examples
    from jensen.reporting.draw import reconstruct as through_the_model

    check_name(out)
    model, split = open_run(run)
    x = through_the_model(model, load_like(split, data), 200 if out.suffix == ".png" else None)
    write_examples(out, x, split.train)
    print(f"{out}: {len(x)} reconstructions")


def report(run: Run) -> None:
    """Write DIR/report.html: one page that needs nothing else."""
    from jensen.reporting import report as write_report

    print(write_report(run))
