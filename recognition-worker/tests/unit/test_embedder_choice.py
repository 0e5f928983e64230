import ast
from pathlib import Path

import pytest

import recognition_worker
from recognition_worker.adapters.embedders.embedder_choice import choose, gpu_is_there
from recognition_worker.adapters.runtimes.openvino_runtime import multiplies_bytes
from recognition_worker.errors import ModelRefused
from recognition_worker.settings import OPENVINO_CHOICES, EmbedderChoice, Settings
from service_kit.state.envelope import new_key


def chosen(
    wanted: EmbedderChoice = EmbedderChoice.AUTO,
    *,
    there: bool = False,
    visible: bool = False,
    openvino: bool = True,
    fast_bytes: bool = False,
) -> tuple[EmbedderChoice, bool]:
    """What was chosen, and whether TensorFlow was loaded to find out."""
    asked = []

    def gpu_is_visible() -> bool:
        asked.append(True)
        return visible

    choice = choose(
        wanted,
        gpu_is_there=lambda: there,
        gpu_is_visible=gpu_is_visible,
        openvino_is_installed=lambda: openvino,
        multiplies_bytes=lambda: fast_bytes,
    )
    return choice, bool(asked)


def test_auto_takes_what_the_machine_has() -> None:
    assert chosen(there=True, visible=True) == (EmbedderChoice.KERAS, True)
    assert chosen() == (EmbedderChoice.OPENVINO, False)
    assert chosen(fast_bytes=True) == (EmbedderChoice.OPENVINO_INT8, False)
    assert chosen(openvino=False, fast_bytes=True) == (EmbedderChoice.DEEPFACE, False)


def test_a_gpu_that_tensorflow_cannot_use_is_none() -> None:
    assert chosen(there=True) == (EmbedderChoice.OPENVINO, True)
    assert chosen(there=True, openvino=False) == (EmbedderChoice.DEEPFACE, True)


@pytest.mark.parametrize("wanted", [choice for choice in EmbedderChoice if choice != "auto"])
def test_a_named_embedder_is_taken_whatever_the_machine_has(wanted: EmbedderChoice) -> None:
    assert chosen(wanted, there=True, visible=True) == (wanted, False)


@pytest.mark.parametrize("wanted", OPENVINO_CHOICES)
def test_openvino_that_is_not_installed_is_refused_with_what_to_do(wanted: EmbedderChoice) -> None:
    with pytest.raises(ModelRefused, match=r"openvino is missing.*RECOGNITION_WORKER_EMBEDDER"):
        chosen(wanted, openvino=False)


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("fpu avx2 avx512f avx512_vnni avx512_bf16", True),
        ("fpu avx2 avx512f avx512_bf16", False),
        ("fpu avx2 avx_vnni", False),
    ],
)
def test_fast_bytes_are_known_by_the_processors_flags(tmp_path: Path, flags: str, fast: bool) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n")
    assert multiplies_bytes(info, machine="x86_64") is fast
    assert not multiplies_bytes(info, machine="aarch64")
    assert not multiplies_bytes(tmp_path / "none", machine="x86_64")


@pytest.mark.parametrize(
    ("files", "environ", "there"),
    [
        ([], {}, False),
        (["nvidiactl", "nvidia-uvm"], {}, False),
        (["nvidiactl", "nvidia0"], {}, True),
        (["dxg"], {}, True),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "0"}, True),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": ""}, False),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "-1"}, False),
    ],
)
def test_a_gpu_is_known_by_its_device_file(
    tmp_path: Path, files: list[str], environ: dict[str, str], there: bool
) -> None:
    (tmp_path / "dev").mkdir()
    for file in files:
        (tmp_path / "dev" / file).touch()
    assert gpu_is_there(tmp_path, environ) is there


def test_the_setting_names_an_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name in ("SCHEMA_REGISTRY_URL", "OBJECT_STORE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("OBJECT_STORE_ACCESS_KEY", "OBJECT_STORE_SECRET_KEY", "OBJECT_STORE_BUCKET"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("TEMPLATE_ENCRYPTION_KEYS", new_key("k"))
    monkeypatch.setenv("RECOGNITION_WORKER_EMBEDDER", "openvino")
    assert Settings.load().embedder is EmbedderChoice.OPENVINO


def test_each_library_is_imported_in_one_adapter() -> None:
    package = Path(recognition_worker.__file__).parent
    users: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                users.setdefault(name.split(".")[0], set()).add(file.name)
    expected = {
        "cv2": "opencv_vision.py",
        "deepface": "deepface_sface_embedder.py",
        "keras": "keras_sface_embedder.py",
        "onnx": "onnx_sface_restoration.py",
        "onnxruntime": "onnxruntime_session.py",
        "openvino": "openvino_runtime.py",
        "tensorflow": "keras_sface_embedder.py",
    }
    assert {library: users.get(library) for library in expected} == {
        library: {file} for library, file in expected.items()
    }
