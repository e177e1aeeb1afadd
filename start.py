"""Set headlab up and start it: `python start.py app`, `serve` (for a room), `test` (its tests), or
any command of the command line, such as `python start.py sheets check`.

Needs Python 3.11 or newer and nothing else. The first start makes a virtual environment in
`.venv` and installs the requirements into it; later starts find them there and install nothing.
Further arguments go to streamlit (`app`, `serve`), to pytest (`test`) or to the command.
"""

# Only what old Pythons can read too, so that they reach the sentence in main().
import hashlib
import importlib.util
import os
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# two at a time, each from its own end; who is done takes over from the other
WORKERS = ["-n", "logical", "--maxprocesses=2", "--dist=worksteal"]
COMMANDS = {
    "app": ("requirements.txt", ["-m", "headlab", "app"]),
    "serve": ("requirements.txt", ["-m", "headlab", "serve"]),
    "test": ("requirements-dev.txt", ["-m", "pytest", *WORKERS]),
}
CLI = "models score profile rank report verify compare doctor ablate patch attribute why".split()
CLI += "what-if explain sink composition path-patch circuit corpus sweep atlas".split()
CLI += "embed behaviours texts sheets".split()
COMMANDS.update((name, ("requirements.txt", ["-m", "headlab", name])) for name in CLI)
USAGE = """usage: python start.py app   [streamlit arguments]   open the laboratory in the browser
       python start.py serve [streamlit arguments]   open it to a room, on the network
       python start.py test  [pytest arguments]      run the tests, two at a time
       python start.py COMMAND [arguments]           a command of the command line:
           %s

app and serve also take --log-level DEBUG | INFO | WARNING | ERROR.""" % ", ".join(CLI)


class CannotStart(Exception):
    """One sentence for the person at the keyboard: what went wrong, what to do."""


def requirement_lines(name):
    """The lines of a requirements file and of those it includes, without comments."""
    lines = []
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line.startswith("-r "):
                lines += requirement_lines(line[3:].strip())
            elif line:
                lines.append(line)
    return lines


def stamp_of(name):
    """Where the environment notes that a requirements file is installed, and what it notes."""
    text = "\n".join(["python %d.%d" % sys.version_info[:2], *requirement_lines(name)])
    return os.path.join(VENV, "installed-" + name), hashlib.sha256(text.encode()).hexdigest()


def is_installed(name):
    path, digest = stamp_of(name)
    try:
        with open(path, encoding="ascii") as file:
            return file.read() == digest and os.path.exists(PYTHON)
    except OSError:
        return False


def is_usable():
    """Whether `.venv` is there, was made by this version of Python and has its pip."""
    try:
        with open(os.path.join(VENV, "pyvenv.cfg"), encoding="utf-8") as file:
            versions = [line.split("=")[1].strip() for line in file if line.startswith("version")]
    except OSError:
        return False
    mine = "%d.%d." % sys.version_info[:2]
    if not (os.path.exists(PYTHON) and any(version.startswith(mine) for version in versions)):
        return False
    return not subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL)


def make_environment():
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise CannotStart(
            "This Python cannot make virtual environments; install its venv module "
            "(on Debian and Ubuntu: sudo apt install python3-venv)."
        )
    install_step([sys.executable, "-m", "venv", "--clear", VENV])


def reason_for(errors):
    """What the messages of a failed installation mean for the person who reads them."""
    known = (
        (
            ("No space left", "Errno 28", "not enough space"),
            "the disk is full; free some gigabytes and start again",
        ),
        (
            ("Permission denied", "Errno 13", "Access is denied"),
            "this folder cannot be written to, or a program still uses .venv; "
            "close it or copy headlab to a folder of yours",
        ),
        (
            ("Connection", "connection", "resolve", "timed out", "ProxyError", "SSLError"),
            "the package index cannot be reached; check the network or proxy and start again",
        ),
        (
            ("No matching distribution",),
            "a package has no build for this Python and system; use a 64-bit Python 3.11 or 3.12",
        ),
    )
    for signs, sentence in known:
        if any(sign in errors for sign in signs):
            return sentence
    last = [line for line in errors.splitlines() if line.strip()]
    return "the installer said: " + (last[-1].strip() if last else "nothing")


def install_step(arguments):
    """Run one installation command: its progress on show, its errors kept for `reason_for`."""
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise CannotStart("Installation failed: " + reason_for(done.stderr) + ".")


def wants_cpu_index():
    """Linux only, where PyPI's torch carries gigabytes of CUDA; your own pip settings go first."""
    if sys.platform != "linux":
        return False
    settings = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    ).stdout
    settings += " ".join(name.lower() for name in os.environ if name.startswith("PIP_"))
    if any(word in settings.replace("_", "-") for word in ("index-url", "find-links")):
        return False
    return is_reachable("download.pytorch.org")


def is_reachable(host):
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # the proxy answers for it
    try:
        socket.create_connection((host, 443), timeout=2).close()
    except OSError:
        return False
    return True


def install(name):
    """Bring `.venv` to what a requirements file asks for; nothing to do when it is there."""
    if is_installed(name):
        return
    print("Setting up headlab in .venv: this happens once and takes some minutes.", flush=True)
    if not is_usable():
        make_environment()
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    if wants_cpu_index():
        torch = [line for line in requirement_lines(name) if line.startswith("torch==")]
        install_step([*pip, "--index-url", CPU_INDEX, *torch])
    install_step([*pip, "-r", os.path.join(ROOT, name)])
    for included in {"requirements.txt", name}:
        path, digest = stamp_of(included)
        with open(path, "w", encoding="ascii") as file:
            file.write(digest)


def run(arguments):
    """Hand over to a Python of the environment; Ctrl+C reaches it as if it had been called.

    Commands of headlab run where they were called, so that the files they name are found.
    """
    if arguments[1] == "headlab":
        path = [ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
    else:
        os.chdir(ROOT)
    if os.name == "posix":
        os.execv(PYTHON, [PYTHON, *arguments])
    return subprocess.call([PYTHON, *arguments])


def main(arguments):
    if sys.version_info < (3, 11):
        raise CannotStart(
            "headlab needs Python 3.11 or newer, this is %d.%d; get one from "
            "https://www.python.org/downloads/." % sys.version_info[:2]
        )
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    requirements, command = COMMANDS[arguments[0]]
    try:
        install(requirements)
    except OSError as error:
        raise CannotStart("Installation failed: " + reason_for(str(error)) + ".") from error
    return run([*command, *arguments[1:]])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotStart as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
