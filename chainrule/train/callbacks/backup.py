"""Checkpoints from which a killed training goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import warnings
from typing import TYPE_CHECKING, Any, Literal

from chainrule.errors import ModelFileError
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten, unflatten
from chainrule.train.callbacks.base import Logs
from chainrule.train.callbacks.saving import Saving
from chainrule.train.files import pack, sync_folder, unpack, write_whole
from chainrule.train.step import TrainState

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"chainrule checkpoint 1\n"


class TornCheckpointWarning(UserWarning):
    """The newest checkpoint was not whole; the one before it was used."""


class BackupAndRestore(Saving):
    """Go on where a killed training was, to exactly the weights that it would have reached.

    Call the same `fit` again with a new model of the same kind: if the folder holds a checkpoint,
    it goes on from there, in the middle of an epoch too. The checkpoint holds parameters,
    optimizer state, layers' state, position, history, and the state of all callbacks. It is
    written beside its place, synced and renamed, so a crash at any moment leaves a whole one; the
    one before is kept too, should the disk lose the newest. Ctrl-C leaves one of the last step.

    Args:
        backup_dir: the folder.
        save_freq: "epoch", or a number of steps.
        delete_checkpoint: remove the checkpoints when the training has come to its end.

    Raises:
        ModelFileError: the checkpoint is of another training.

    >>> callbacks = [BackupAndRestore("backup", save_freq=100)]
    """

    last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        from pathlib import Path  # which brings much along

        super().__init__(save_freq)
        self.folder = Path(backup_dir)
        self.newest = self.folder / "checkpoint"
        self.before = self.folder / "checkpoint-before"
        self.delete_checkpoint = delete_checkpoint
        self._ready = False
        self._training: dict[str, str] = {}

    # What the loop calls ---------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        self._steps, self._ready = 0, False
        self._training = self._fingerprint()
        found = self._read()
        if found is not None:
            self._restore(found)
        self._ready = True

    def settle(self) -> None:
        # What others do at the end, such as putting the best weights back, is no part of the way.
        # An interruption before the checkpoint was read must not replace it.
        if self._ready and self.model.run.interrupted:
            self.save()

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint and not self.model.run.interrupted:
            for path in (self.newest, self.before):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # someone else's files are there, or it is gone
                self.folder.rmdir()

    # The file --------------------------------------------------------------------------------

    def save(self, logs: Logs = None) -> None:
        """Write a checkpoint of the training as it is after the last whole step."""
        from safetensors.numpy import save

        run = self.model.run
        tensors: dict[str, Any] = {}
        content = {
            "training": self._training,
            "params": run.state.params,
            "optimizer": flatten(run.state.optimizer)[0],
            "layers": run.state.layers,
            "epoch": run.epoch,
            "step": run.step,
            "sums": run.sums,
            "kept": run.kept,
            "records": run.history,
            "stop": run.stop,
            "learning_rate": self.model.override,
            "callbacks": self.model.listeners.state(),
        }
        import json

        text = json.dumps(pack(content, tensors))
        body = save(tensors, {"checkpoint": text})
        checksum = hashlib.sha256(body).hexdigest().encode()
        if self.newest.exists():
            os.replace(self.newest, self.before)
            sync_folder(self.folder)
        write_whole(self.newest, _MAGIC + checksum + b"\n" + body)

    def _read(self) -> Any:
        """The newest whole checkpoint, or None if there is none at all."""
        torn: list[Path] = []
        for path in (self.newest, self.before):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            found = _whole(content)
            if found is not None:
                if torn:
                    warnings.warn(
                        f"{torn[0]} is not whole; the training goes on from the one before it",
                        TornCheckpointWarning,
                        stacklevel=2,
                    )
                return found
            torn.append(path)
        if torn:
            raise ModelFileError(
                "there is no whole checkpoint to go on from",
                got=f"{', '.join(map(str, torn))}, cut off or changed",
                line=user_line(),
                remedy=f"delete {self.folder} to begin anew",
            )
        return None

    def _restore(self, found: Any) -> None:
        mine = self._training
        if found["training"] != mine:
            differing = [name for name in mine if found["training"].get(name) != mine[name]]
            raise ModelFileError(
                f"the checkpoint in {self.folder} is of another training",
                got="; ".join(f"{n}: {found['training'].get(n)} there" for n in differing)[:500],
                line=user_line(),
                remedy="call fit with the same model, data and settings, or choose another folder",
            )
        run = self.model.run
        template = flatten(run.state.optimizer)
        leaves = [
            type(old)(new) if type(old) in (int, float) else new
            for old, new in zip(template[0], found["optimizer"], strict=True)
        ]
        run.state = TrainState(found["params"], unflatten(template[1], leaves), found["layers"])
        run.epoch, run.step, run.stop = found["epoch"], found["step"], found["stop"]
        run.sums, run.kept, run.history = found["sums"], found["kept"], found["records"]
        self.model.override = found["learning_rate"]
        self.model.listeners.set_state(found["callbacks"])

    def _fingerprint(self) -> dict[str, str]:
        """What must be the same for a training to go on."""
        compiled = self.model.compiled("BackupAndRestore")
        described = {
            "layers": self.model.layer,
            "optimizer": compiled.optimizer,
            "loss": compiled.loss,
            "metrics": compiled.metrics,
            "input shape": self.model.input_shape,
            "dtype": self.model.dtype,
            "callbacks": [type(c).__name__ for c in self.model.listeners.members],
            **{k: self.params[k] for k in ("seed", "rows", "batch_size", "shuffle", "steps")},
            "data": self.params["digest"](),
        }
        # Functions print their address, which is another in each run.
        return {name: re.sub(r" at 0x[0-9a-f]+", "", repr(x)) for name, x in described.items()}


def _whole(content: bytes) -> Any:
    """What a checkpoint holds, or None if it is cut off or changed."""
    import json

    from safetensors import SafetensorError
    from safetensors.numpy import load

    head = len(_MAGIC) + 65
    checksum, body = content[len(_MAGIC) : head - 1], content[head:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).hexdigest().encode() != checksum:
        return None
    try:
        tensors = load(body)
        length = int.from_bytes(body[:8], "little")
        text = json.loads(body[8 : 8 + length])["__metadata__"]["checkpoint"]
        return unpack(json.loads(text), tensors)
    except (SafetensorError, ValueError, KeyError):
        return None
