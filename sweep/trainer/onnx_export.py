"""Export a trained network as ONNX. Needs PyTorch and the extra 'onnx'."""

from importlib.util import find_spec

from sweep.errors import SweepError
from sweep.extras import require_torch


def onnx_model(weights: bytes) -> bytes:
    """Return the network of a weights file as an ONNX model.

    Its input ``images`` is (N, D), floats from 0 to 1; its outputs are ``codes`` (N, H) and
    ``pixels`` (N, D). Raises SweepError if a package is missing.
    """
    require_torch("an ONNX file")
    if find_spec("onnxscript") is None:
        raise SweepError(
            "an ONNX file needs onnx and onnxscript, which are not installed: "
            "`pip install 'sweep-autoencoder[onnx]'`."
        )
    import torch

    from sweep.trainer.weights import trained_model

    model = trained_model(weights)

    class Both(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            codes = model.encode(images)
            return codes, model.decode(codes)

    n_inputs = model.autoencoder.encoder_layers[0].in_features
    program = torch.onnx.export(
        Both().eval(),
        (torch.zeros(2, n_inputs),),
        input_names=["images"],
        output_names=["codes", "pixels"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
