"""What peers need, installed when it is missing: Debian packages, and what package-lock.json names, in a folder of the user's.

package.json holds msgpackr-extract, of BullMQ, to a release that exists for every platform: without one of them `npm ci` refuses the
lock file.  pg-boss 10 and graphile-worker 0.17 are the last that run on Node.js 20.
"""
import filecmp
import os
import shutil
import subprocess

from lib.process import ROOT
from peers.servers import postgres_program

HERE = os.path.dirname(os.path.abspath(__file__))
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
NPM_LONGEST_S = 600


def cache():
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duly", "peers")


def modules():
    return os.path.join(cache(), "node_modules")


def debian(*packages):
    """By scripts/lib/packages, which starts no service."""
    shell(f"source scripts/lib/packages && install_missing {' '.join(packages)}")
    missing = [one for one in packages if debian_version(one) is None]
    if missing:
        raise RuntimeError(f"{' '.join(missing)} could not be installed")


def shell(text):
    done = subprocess.run(["bash", "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=NPM_LONGEST_S, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("npm warn")]
        raise RuntimeError(said[0] if said else f"{text.split()[0]} ended with {done.returncode}")
    return done.stdout.strip()


def npm():
    """`npm ci` into the cache, when the lock file is another one than that of last time."""
    if not (shutil.which("node") and shutil.which("npm")):
        shell('source scripts/lib/packages && install_missing "${node_packages[@]}"')
    lock, done = os.path.join(HERE, "package-lock.json"), os.path.join(cache(), "done")
    if os.path.exists(done) and filecmp.cmp(lock, done, shallow=False):
        return
    os.makedirs(cache(), exist_ok=True)
    for name in NPM_FILES:
        shutil.copy(os.path.join(HERE, name), cache())
    shell(f"npm ci --prefix '{cache()}' --no-audit --no-fund --ignore-scripts")
    shutil.copy(lock, done)


def install(system):
    """Everything of one peer; RuntimeError says what it lacks."""
    debian(*system.needs)
    if system.adapter.endswith(".js"):
        npm()


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], capture_output=True, text=True,
                          check=False)
    state, _, version = done.stdout.partition(" ")
    return version.rpartition(":")[2].partition("-")[0].partition("+")[0] if state == "installed" else None


def npm_version(package):
    return shell(f"node -p 'require(\"{modules()}/{package}/package.json\").version'")


def server_version():
    """Of PostgreSQL: Debian's package is but a name for the newest of them."""
    return shell(f"{postgres_program('postgres')} --version").split()[2]


def versions(systems):
    """{what: its version}, of the peers that are measured and of what they run on."""
    known = {"rabbitmq-server": debian_version("rabbitmq-server")}
    for system in systems:
        known[system.package] = npm_version(system.package) if system.of_npm else debian_version(system.package)
        known.update({need: server_version() if need == "postgresql" else debian_version(need) for need in system.needs})
    if any(system.adapter.endswith(".js") for system in systems):
        known["node"] = shell("node --version").lstrip("v")
    return known
