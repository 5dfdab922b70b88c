"""Lets a torchvision that was built for CUDA be imported beside a CPU build of torch.

Its compiled operators cannot be loaded there, which torchvision takes in its stride, but for two whose shapes it
registers without asking whether they exist. They are declared here, without an implementation. vLLM imports torchvision
for the image processors of other models; LLaVA's pictures are prepared with PIL (groundtune.vlm.loader). Where pip
finds a CPU build of torchvision, nothing is changed.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

DECLARED = '''
if not _has_ops():  # added by groundtune's images/sampler-vllm/torchvision_operators.py
    for _name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{_name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
'''


def imports() -> bool:
    """Whether torchvision can be imported, in a process of its own."""
    tried = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False)
    return tried.returncode == 0


def main() -> None:
    """Change torchvision/extension.py if that is what makes the import work; end with an error if it does not."""
    if imports():
        return
    found = importlib.util.find_spec("torchvision")
    if not found or not found.origin:
        sys.exit("torchvision is not installed")
    with (Path(found.origin).parent / "extension.py").open("a") as file:
        file.write(DECLARED)
    if not imports():
        sys.exit("torchvision cannot be imported beside this torch, and declaring its operators did not help")


if __name__ == "__main__":
    main()
