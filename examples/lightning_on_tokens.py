"""Train a Lightning module on a token store: the next frame from those before it.

pip install lightning
dac-lobe extract recordings/ store --model 16khz-small
python examples/lightning_on_tokens.py store
"""

import sys

import lightning
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.tokens import TokenStore


class NextFrame(lightning.LightningModule):
    """Predicts the first codebook; the embedding starts from the codec's."""

    def __init__(self, store: TokenStore, size: int = 64):
        super().__init__()
        meta = store.meta
        sizes = (meta.num_codebooks, meta.codebook_size, size)
        self.embedding = TokenEmbedding(*sizes, init_from=store.path)
        self.network = torch.nn.GRU(size, size, batch_first=True)
        self.output = torch.nn.Linear(size, meta.codebook_size)

    def training_step(self, tokens: torch.Tensor, index: int) -> torch.Tensor:
        """Score a batch [1, F, K]."""
        hidden, _ = self.network(self.embedding(tokens[:, :-1]))
        loss = cross_entropy(self.output(hidden)[0], tokens[0, 1:, 0])
        self.log("loss", loss, prog_bar=True, batch_size=1)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def train(path: str, **trainer) -> float:
    """Train on every item of a store; return the last loss."""
    store = TokenStore(path)
    fit = lightning.Trainer(**trainer)
    fit.fit(NextFrame(store), DataLoader([store[name] for name in store], shuffle=True))
    return float(fit.callback_metrics["loss"])


if __name__ == "__main__":
    print(train(sys.argv[1], max_epochs=20))
