// Runs byte_driver.py in Pyodide, which is the newest CPython that needs nothing but Node.
// node byte_driver.mjs PYODIDE_FOLDER ROOT; the first line names the Python.
import { pathToFileURL } from "node:url";

const [, , folder, root] = process.argv;
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const python = await loadPyodide({ stdout: console.log, stderr: console.error });
python.FS.mkdir("/project");
python.FS.mount(python.FS.filesystems.NODEFS, { root }, "/project");
python.runPython(`
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "/project")
print("%d.%d" % sys.version_info[:2])
from tests.core.byte_driver import lines

for line in lines(Path("/project")):
    print(line)
`);
