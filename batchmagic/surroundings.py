"""What kind of session this process lives in, and what therefore happens to a running job when that ends.

A detached process still ends with its container, its login's session or its node. Standard library only, and nothing
is asked of any service: all of it is read from variables, ``/proc`` and a few files.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VOLUMES = {
    "docker": "docker run --volume NAME:/FOLDER …",
    "podman": "podman run --volume NAME:/FOLDER …",
    "kubernetes": "kubectl explain pod.spec.volumes.persistentVolumeClaim",
}
_RESUMES = "the next batchmagic command in this workspace goes on from what is committed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One thing around this process that can end, and the job with it.

    Attributes
    ----------
    kind
        ``container``, ``slurm``, ``hub``, …
    what
        It in words: ``a docker container``.
    end
        The event that ends it: ``the container stops``; empty for what ends nothing, such as a terminal's window.
    survives
        Whether a running job goes on when that happens.
    advice
        What to know about it.
    command
        What to type about it, where anything helps.
    """

    kind: str
    what: str
    end: str = ""
    survives: bool = False
    advice: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where to look; tests pass one of their own."""

    environ: Mapping[str, str]
    root: Path
    platform: str
    user: str


def here() -> Place:
    """Return the place of this process."""
    return Place(environ=os.environ, root=Path("/"), platform=sys.platform, user=_user())


def layers(place: Place | None = None) -> tuple[Layer, ...]:
    """Return what is around this process, the innermost first; nothing where it is simply a machine."""
    seen = place or here()
    return tuple(layer for find in _FINDERS for layer in find(seen))


def sentence(found: tuple[Layer, ...]) -> str:
    """Return in one line where a job runs and what ends it, for its log."""
    ends = [layer.end for layer in found if layer.end and not layer.survives]
    inside = ", ".join(layer.what for layer in found) or "no container, hub or scheduler"
    until = " or ".join([*ends, "the machine stops"])
    return (
        f"Runs on this machine in: {inside}. It goes on without notebook and Jupyter server, until {until}."
    )


def fates(found: tuple[Layer, ...]) -> list[Layer]:
    """Return every event that a person may wonder about, and what it means for a running job."""
    always = [
        Layer(kind="kernel", what="a notebook's kernel", end="the kernel is restarted, or the notebook closed",
              survives=True),
        Layer(kind="server", what="a Jupyter server", end="the Jupyter server stops", survives=not _is_main(found),
              advice=_RESUMES if _is_main(found) else ""),
    ]  # fmt: skip
    always += [layer for layer in found if layer.end]
    return [
        *always,
        Layer(kind="suspend", what="a laptop", end="the machine is suspended", survives=True,
              advice="it stands still and goes on afterwards; deadlines of mini-batches may have passed"),
        Layer(kind="boot", what="the machine", end="the machine is restarted", advice=_RESUMES),
    ]  # fmt: skip


def _is_main(found: tuple[Layer, ...]) -> bool:
    """Whether the Jupyter server is what the container was started for, as on hubs."""
    return any(layer.kind in {"hub", "binder"} for layer in found)


def _schedulers(place: Place) -> Iterator[Layer]:
    environ = place.environ
    if "SLURM_JOB_ID" in environ:
        end = f"SLURM job {environ['SLURM_JOB_ID']} ends"
        if environ.get("SLURM_JOB_END_TIME", "").isdecimal():
            when = dt.datetime.fromtimestamp(int(environ["SLURM_JOB_END_TIME"]), tz=dt.UTC)
            end += f", at {when:%Y-%m-%d %H:%M} UTC at the latest"
        yield Layer(
            kind="slurm",
            what=f"SLURM job {environ['SLURM_JOB_ID']}",
            end=end,
            advice=f"{_RESUMES}, also from another SLURM job",
            command="sbatch --time=HOURS:00:00 …",
        )
    for variable, name in (("PBS_JOBID", "PBS"), ("LSB_JOBID", "LSF")):
        if variable in environ:
            yield Layer(
                kind="scheduler",
                what=f"{name} job {environ[variable]}",
                end=f"{name} job {environ[variable]} ends",
                advice=f"{_RESUMES}, also from another job",
                command="qsub -l walltime=HOURS:00:00 …" if name == "PBS" else "bsub -W HOURS:00 …",
            )


def _hubs(place: Place) -> Iterator[Layer]:
    environ = place.environ
    if "BINDER_SERVICE_HOST" in environ or "BINDER_LAUNCH_HOST" in environ:
        yield Layer(
            kind="binder",
            what="a Binder session",
            end="Binder ends an idle session (after minutes) or any session (after hours), with all its files",
            advice="keep the page open, and download what you need",
            command="batchmagic backup workspace.tar.gz",
        )
    elif "JUPYTERHUB_USER" in environ or "JUPYTERHUB_API_TOKEN" in environ:
        yield Layer(
            kind="hub",
            what="a JupyterHub server",
            end="the hub stops an idle server (culling), or you stop it",
            advice=f"keep its page open, or ask the hub's owner about culling; {_RESUMES}, once the server runs again",
            command="batchmagic job list",
        )
    elif "CODESPACES" in environ or "COLAB_RELEASE_TAG" in environ:
        name = "a GitHub codespace" if "CODESPACES" in environ else "a Colab session"
        yield Layer(
            kind="hosted",
            what=name,
            end=f"{name} is stopped because it is idle",
            advice="keep its page open, and download what you need",
            command="batchmagic backup workspace.tar.gz",
        )


def _containers(place: Place) -> Iterator[Layer]:
    group = _read(place, "proc/self/cgroup") + _read(place, "proc/1/cgroup")
    name = ""
    if "KUBERNETES_SERVICE_HOST" in place.environ or "kubepods" in group:
        name = "kubernetes pod"
    elif (place.root / "run/.containerenv").exists() or "libpod" in group:
        name = "podman container"
    elif (place.root / ".dockerenv").exists() or "docker" in group:
        name = "docker container"
    elif place.environ.get("container") or "/lxc" in group:
        name = f"{place.environ.get('container') or 'lxc'} container"
    if name:
        noun = name.split()[-1]
        yield Layer(
            kind="container",
            what=f"a {name}",
            end=f"the {noun} stops",
            advice=f"on a volume that outlives the {noun} the workspace stays, and {_RESUMES}, in the next {noun} too",
            command=_VOLUMES.get(name.split()[0], _VOLUMES["docker"]),
        )


def _systems(place: Place) -> Iterator[Layer]:
    if place.platform == "darwin":
        yield Layer(
            kind="macos",
            what="a login on macOS",
            end="you log out",
            advice=f"stay logged in, and keep the machine awake; {_RESUMES}",
            command="caffeinate -i",
        )
    if "WSL_DISTRO_NAME" in place.environ:
        yield Layer(
            kind="wsl",
            what="Windows' subsystem for Linux",
            end="Windows stops the subsystem (wsl --shutdown, or no window of it is open)",
            advice=f"keep one of its windows open; {_RESUMES}",
            command="batchmagic job list",
        )


def _logins(place: Place) -> Iterator[Layer]:
    group = _read(place, "proc/self/cgroup")
    ended = "you log out (the last session of yours ends)"
    if re.search(r"/user@\d+\.service", group):
        lingers = (place.root / "var/lib/systemd/linger" / place.user).exists()
        yield Layer(
            kind="systemd-user",
            what=f"the systemd services of a user, {'with' if lingers else 'without'} linger",
            end=ended,
            survives=lingers,
            advice="" if lingers else f"your services may be let outlive your login; {_RESUMES}",
            command="" if lingers else "loginctl enable-linger",
        )
    elif re.search(r"/session-[^/]+\.scope", group):
        kills = _kills_at_logout(place)
        yield Layer(
            kind="login",
            what="a login's session",
            end=ended,
            survives=not kills,
            advice=f"this system ends what a login leaves behind; {_RESUMES}" if kills else "",
            command="loginctl enable-linger && systemd-run --user --scope jupyter lab" if kills else "",
        )
    elif found := re.search(r"/system\.slice/(?:[^/]+/)*([^/\n]+\.service)", group):
        yield Layer(
            kind="service",
            what=f"the system service {found[1]}",
            end=f"{found[1]} is stopped or restarted",
            advice=f"{_RESUMES}; with KillMode=process its jobs live on",
            command=f"systemctl edit {found[1]}",
        )


def _terminals(place: Place) -> Iterator[Layer]:
    environ = place.environ
    if "TMUX" in environ or "STY" in environ:
        yield Layer(
            kind="tmux" if "TMUX" in environ else "screen", what="tmux" if "TMUX" in environ else "screen"
        )
    if "SSH_CONNECTION" in environ or "SSH_TTY" in environ:
        yield Layer(kind="ssh", what="a login by ssh", end="the ssh connection is lost", survives=True)


_FINDERS = (_schedulers, _hubs, _containers, _systems, _logins, _terminals)


def _kills_at_logout(place: Place) -> bool:
    """Return what ``KillUserProcesses`` of systemd-logind is set to; distributions leave it at no."""
    folder = place.root / "etc/systemd"
    files = [folder / "logind.conf", *sorted((folder / "logind.conf.d").glob("*.conf"))]
    value = "no"
    for file in files:
        for line in _text(file).splitlines():
            key, _, text = line.partition("=")
            if key.strip() == "KillUserProcesses":
                value = text.strip().lower()
    return value in {"yes", "true", "1", "on"}


def _read(place: Place, name: str) -> str:
    return _text(place.root / name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _user() -> str:
    import pwd  # noqa: PLC0415 - POSIX only

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())  # as in containers that run under a number only
