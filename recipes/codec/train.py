#!/usr/bin/env python3
"""Recipe for training the Descript Audio Codec, and smaller ones of its kind.

To run this recipe:
> python train.py hparams/small_16khz.yaml --data_folder /path/to/recordings

On several GPUs, or two processes on a CPU:
> torchrun --standalone --nproc_per_node=2 train.py hparams/dac_16khz.yaml ...
> torchrun --standalone --nproc_per_node=2 train.py hparams/tiny_debug.yaml \
    --data_folder ... --device=cpu --distributed_backend=gloo

The stages of a run, each counted in optimizer steps (0 leaves a stage out), or in parts
of `total_steps` where there is a `budget` of time:

    skeleton    autoencoder without residual units, not quantized
    start       codebooks from data (once)
    main        everything; restarts of dead codes; from `adversarial_start` on
                also the discriminators

Paper: https://arxiv.org/abs/2306.06546. What is not in it is marked as a
deviation in the YAML.

Authors
 * The dac-lobe developers 2026
"""

import logging
import math
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import speechbrain as sb
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import run_on_main
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.nnet.adversary import Adversary
from dac_lobe.nnet.channels_last import channels_last
from dac_lobe.nnet.code_usage import CodeUsage
from dac_lobe.nnet.distributed import (
    average_gradients,
    broadcast,
    check_equal,
    finite_everywhere,
    unwrap,
)
from dac_lobe.nnet.loggers import log_audio
from dac_lobe.nnet.training import check_codebooks
from dac_lobe.nnet.warm_start import (
    scale_layers,
    skeleton,
    start_from_latents,
)
from evaluation.metrics import MetricError, choose

logger = logging.getLogger("dac_lobe.recipes.codec")


def mean_scores(rows):
    """Means of scores by name, over the rows where a score is a number; count the rest."""
    means = {}
    for name in rows[0]:
        valid = [row[name] for row in rows if not math.isnan(row[name])]
        if valid:
            means[name] = sum(valid) / len(valid)
        if len(valid) < len(rows):
            means[f"{name}_failed"] = len(rows) - len(valid)
    return means


class CodecBrain(sb.Brain):
    """Train a codec (`modules.codec`), against `modules.discriminator` if there is one."""

    def prepare_codec(self, dataset):
        """Bring the codec to its starting point; call once, before `fit`."""
        codec = self.codec
        if not self.hparams.weight_norm:
            fold_weight_norm(codec)
        if self.hparams.scale_layers:
            batch = torch.stack([dataset[i]["sig"] for i in range(32)])[:, None]
            latents = scale_layers(codec.encoder, batch.to(self.device), residual=0.05)
            scale_layers(codec.decoder, latents, residual=0.05, last=0.05)
        for name in self.hparams.frozen:
            getattr(codec, name).requires_grad_(False)
        if source := getattr(self.hparams, "discriminator_source", None):
            state = torch.load(source, map_location=self.device, weights_only=True)
            unwrap(self.modules.discriminator).load_state_dict(state)
        self.skeleton = None
        if self.hparams.skeleton_steps:
            self.skeleton = torch.nn.Sequential(
                skeleton(codec.encoder), skeleton(codec.decoder)
            )
        if getattr(self.hparams, "channels_last", False):
            channels_last(codec.encoder)
            channels_last(codec.decoder)
        if self.hparams.compile_codec:
            codec.encoder.compile()
            codec.decoder.compile()
            if self.skeleton is not None:
                self.skeleton.compile()
        self.average = AveragedModel(
            codec, multi_avg_fn=get_ema_multi_avg_fn(self.hparams.ema_decay)
        )
        self.usage = CodeUsage(codec)
        self.dataset = dataset
        valid = self.hparams.valid_metrics
        at_the_end = getattr(self.hparams, "test_metrics", valid)
        self.metrics = {
            stage: choose(names) if names else []
            for stage, names in ((sb.Stage.VALID, valid), (sb.Stage.TEST, at_the_end))
        }
        self.budget = getattr(self.hparams, "budget", None)
        if self.budget is not None:
            self.checkpointer.add_recoverable("budget", self.budget)
            self.optimizer_step_limit = None
        self.board = None
        if self.hparams.use_tensorboard and sb.utils.distributed.if_main_process():
            self.board = self.hparams.tensorboard()

    @property
    def codec(self):
        """The codec, unwrapped."""
        return unwrap(self.modules.codec)

    @property
    def position(self):
        """Where the run stands in its stages and schedules, in steps."""
        if self.budget is None:
            return self.optimizer_step
        return self.budget.position(self.hparams.total_steps)

    @property
    def in_skeleton(self):
        """Whether the next step trains the skeleton alone."""
        return self.position < self.hparams.skeleton_steps

    @property
    def weights(self):
        """Weights of the losses in the next step, by name."""
        return (
            self.hparams.skeleton_weights if self.in_skeleton else self.hparams.weights
        )

    @property
    def adversarial(self):
        """Whether the next step has the discriminators."""
        return (
            "discriminator" in self.modules
            and self.position >= self.hparams.adversarial_start
        )

    @property
    def judged(self):
        """Whether the codec hears of the discriminators, which have a head start."""
        lead = self.hparams.adversarial_start + self.hparams.discriminator_lead
        return self.adversarial and self.position >= lead

    def init_optimizers(self):
        """Make optimizers and schedules; have them and what they train checkpointed."""
        codec = self.codec
        quantizer = {id(p) for p in codec.quantizer.parameters()}
        slow = {
            "params": list(codec.quantizer.parameters()),
            "lr": self.hparams.lr * self.hparams.quantizer_lr_share,
            **self.hparams.quantizer_options,
        }
        rest = [p for p in codec.parameters() if id(p) not in quantizer]
        self.optimizer_g = self.hparams.opt_class([{"params": rest}, slow])
        self.schedule_g = self.hparams.schedule_class(self.optimizer_g)
        self.optimizers_dict = {"codec": self.optimizer_g}
        kept = {
            "optimizer_codec": self.optimizer_g,
            "schedule_codec": self.schedule_g,
            "average": self.average,
            "usage": self.usage,
        }
        if "discriminator" in self.modules:
            self.optimizer_d = self.hparams.opt_class_d(
                self.modules.discriminator.parameters()
            )
            self.schedule_d = self.hparams.schedule_class_d(self.optimizer_d)
            self.optimizers_dict["discriminator"] = self.optimizer_d
            kept["optimizer_discriminator"] = self.optimizer_d
            kept["schedule_discriminator"] = self.schedule_d
        if self.checkpointer is not None:
            for name, value in kept.items():
                self.checkpointer.add_recoverable(name, value)
            if "discriminator" in self.modules:
                # Optional: checkpoints of version 0.2 may be without.
                self.checkpointer.add_recoverable(
                    "discriminator",
                    unwrap(self.modules.discriminator),
                    optional_load=True,
                )

    def compute_forward(self, batch, stage):
        """Reconstruct a batch, [B, 1, T]."""
        wav = batch.sig.data.to(self.device)[:, None]
        return self.modules.codec(wav, reconstruct=True)

    def compute_skeleton(self, batch):
        """Reconstruct a batch without residual units and quantizer."""
        wav = batch.sig.data.to(self.device)[:, None]
        audio = self.skeleton(wav)
        # Odd strides lose samples at the end.
        audio = F.pad(audio, (0, wav.shape[-1] - audio.shape[-1]))
        return SimpleNamespace(audio=audio, codes=None)

    def compute_objectives(self, predictions, batch, stage):
        """Reconstruction losses by name, unweighted."""
        wav = batch.sig.data.to(self.device)[:, None]
        audio = predictions.audio.float()
        losses = {
            "mel": self.hparams.mel_loss(audio, wav),
            "waveform": self.hparams.waveform_loss(audio, wav),
        }
        for name, loss in getattr(self.hparams, "more_losses", {}).items():
            if self.weights.get(name):
                losses[name] = loss(audio, wav)
        if predictions.codes is not None:
            losses["commitment"] = predictions.commitment_loss
            losses["codebook"] = predictions.codebook_loss
        return losses

    def fit_batch(self, batch):
        """One step of the discriminators, if any, then one of the codec."""
        should_step = self.step % self.grad_accumulation_factor == 0
        self.on_fit_batch_start(batch, should_step)
        self.seed_step()
        if not self.in_skeleton and not self.usage.started:
            self.start_quantizer()
        with self.no_sync(not should_step):
            with self.mixed_precision():
                if self.in_skeleton:
                    predictions = self.compute_skeleton(batch)
                else:
                    predictions = self.compute_forward(batch, sb.Stage.TRAIN)
            if self.adversarial:
                wav = batch.sig.data.to(self.device)[:, None]
                loss = self.adversary.discriminator_loss(predictions.audio, wav)
                if not self.finite(loss):
                    return loss.detach().cpu()
                self.step_discriminator(loss, should_step)
            loss, losses = self.weigh(predictions, batch)
            if not self.finite(loss):
                return loss.detach().cpu()
            (loss / self.grad_accumulation_factor).backward()
        if should_step:
            self.step_codec(predictions)
        self.note(losses)
        self.counted += 1
        self.on_fit_batch_end(batch, predictions, loss, should_step)
        return loss.detach().cpu()

    def weigh(self, predictions, batch):
        """Sum of the weighted losses, and the losses themselves."""
        losses = self.compute_objectives(predictions, batch, sb.Stage.TRAIN)
        if self.judged:
            wav = batch.sig.data.to(self.device)[:, None]
            adversarial, matching = self.adversary.codec_losses(predictions.audio, wav)
            losses["adversarial"], losses["feature_matching"] = adversarial, matching
        total = sum(self.weights[name] * value for name, value in losses.items())
        return total, losses

    def note(self, losses):
        """Add to the means of the log, each over the batches that have this loss."""
        for name, value in losses.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = total + float(value.detach()), count + 1

    def step_discriminator(self, loss, should_step):
        """Train the discriminators."""
        self.note({"discriminator": loss})
        (loss / self.grad_accumulation_factor).backward()
        if should_step:
            torch.nn.utils.clip_grad_norm_(
                self.modules.discriminator.parameters(), self.hparams.clip_discriminator
            )
            self.optimizer_d.step()
            self.follow(self.schedule_d)
            self.optimizer_d.zero_grad(set_to_none=True)

    def step_codec(self, predictions):
        """Clip, step, average, and look after the codebooks."""
        if self.in_skeleton:
            average_gradients(self.skeleton)
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), self.hparams.clip_codec)
        self.optimizer_g.step()
        self.follow(self.schedule_g)
        self.optimizer_g.zero_grad(set_to_none=True)
        self.optimizer_step += 1
        self.spend()
        self.average.update_parameters(self.codec)
        if predictions.codes is not None:
            self.usage.update(predictions.codes)
            every = self.hparams.restart_every
            due = every and self.optimizer_step % every == 0
            if due and self.position < self.hparams.restart_until:
                self.restarted += self.usage.restart(
                    self.codec, predictions.latents, self.hparams.restart_share
                )

    def on_fit_start(self):
        """Take up a checkpoint; a run whose time is over has no more steps."""
        super().on_fit_start()
        if "discriminator" in self.modules:
            self.adversary = Adversary(
                self.modules.discriminator,
                self.hparams.adversarial_items,
                self.mixed_precision,
            )
        if self.budget is not None and self.budget.spent:
            self.optimizer_step_limit = self.optimizer_step

    def spend(self):
        """Move on in the budget of time, if there is one, and stop when it is spent."""
        if self.budget is not None:
            self.budget.advance()
            if self.budget.spent:
                self.optimizer_step_limit = self.optimizer_step

    def follow(self, schedule):
        """Step a schedule; with a budget of time, to where that stands."""
        if self.budget is not None:
            schedule.last_epoch = self.position - 1
        schedule.step()

    @torch.no_grad()
    def start_quantizer(self):
        """Set the codebooks from data, and start the optimizer anew."""
        self.usage.started.fill_(True)
        if not self.hparams.start_codebooks:
            return
        codec, latents = self.codec, []
        needed = self.hparams.start_frames
        index = 0
        while sum(map(len, latents)) < needed:
            wavs = [
                self.dataset[(index + i) % len(self.dataset)]["sig"] for i in range(16)
            ]
            index += 16
            encode = codec.encoder if self.skeleton is None else self.skeleton[0]
            z = encode(torch.stack(wavs)[:, None].to(self.device))
            latents.append(z.transpose(1, 2).flatten(0, 1))
        left = start_from_latents(codec, torch.cat(latents))
        logger.info("codebooks start; energy left after the last: %.3f", left[-1])
        broadcast(codec.parameters())
        self.optimizer_g.state.clear()
        self.average.n_averaged.zero_()

    def seed_step(self):
        """Make what a step draws depend on its number alone, for exact resumption."""
        rank = dist.get_rank() if dist.is_initialized() else 0
        part = self.step % self.grad_accumulation_factor
        torch.manual_seed(
            (self.hparams.seed * 10**7 + self.optimizer_step) * 10**4
            + part * 100
            + rank
        )

    def finite(self, loss):
        """Whether the loss is a number; counts the batches where it is not."""
        if finite_everywhere(loss):
            return True
        self.nonfinite_count += 1
        logger.warning("loss is %s; batch %d is skipped", float(loss), self.step)
        if self.nonfinite_count > self.nonfinite_patience:
            raise ValueError(
                f"{self.nonfinite_count} batches had a loss that is not a number. "
                "Lower the learning rate, or look for broken recordings."
            )
        for optimizer in self.optimizers_dict.values():
            optimizer.zero_grad(set_to_none=True)
        return False

    def mixed_precision(self):
        """Mixed precision while `bfloat16_until` has not been reached."""
        if self.position < self.hparams.bfloat16_until:
            return torch.autocast(torch.device(self.device).type, torch.bfloat16)
        return nullcontext()

    def on_stage_start(self, stage, epoch=None):
        """Start counting; choose the epoch's segments."""
        self.sums, self.counted, self.restarted = {}, 0, 0
        self.started_at = time.monotonic()
        self.scores = []
        if stage == sb.Stage.TRAIN:
            self.dataset.set_epoch(epoch)

    @torch.no_grad()
    def evaluate_batch(self, batch, stage):
        """Score one recording with the averaged codec, at several bitrates."""
        codec = self.average.module.eval()
        wav = batch.sig.data.to(self.device)[:, None]
        codes = codec.encode(wav).codes
        row, decoded = {}, {}
        for used in self.hparams.valid_codebooks:
            audio = codec.decode_codes(codes[:, :used], length=wav.shape[-1])
            row[f"mel{used}"] = float(self.hparams.mel_loss(audio, wav))
            row[f"wav{used}"] = float(self.hparams.waveform_loss(audio, wav))
            for metric in self.metrics[stage]:
                row[f"{metric.name}{used}"] = self.score(metric, wav, audio)
            decoded[f"{used} codebooks"] = audio
        if self.board is not None and len(self.scores) < 4:
            self.show(batch.id[0], {"original": wav, **decoded})
        self.scores.append(row)
        return torch.tensor(row[f"mel{self.hparams.valid_codebooks[-1]}"])

    def score(self, metric, wav, audio):
        """Score with one of the evaluation package's metrics; NaN where it fails."""
        try:
            return metric(
                wav.flatten().cpu().numpy(),
                audio.flatten().cpu().numpy(),
                self.hparams.sample_rate,
            )
        except MetricError as error:
            logger.info("%s: %s", metric.name, error)
            return math.nan

    def show(self, name, signals):
        """Send audio and spectrograms of one recording to TensorBoard."""
        rate, step = self.hparams.sample_rate, self.optimizer_step
        for kind, signal in signals.items():
            log_audio(self.board.writer, f"{name}/{kind}", signal.flatten(), rate, step)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, and save a checkpoint after validation."""
        if stage == sb.Stage.TRAIN:
            seconds = time.monotonic() - self.started_at
            self.train_stats = {
                name: total / count for name, (total, count) in self.sums.items()
            }
            self.train_stats["restarted"] = self.restarted
            self.train_stats["seconds"] = seconds
            left = self.hparams.total_steps - self.optimizer_step
            rate = max(1, self.counted) / self.grad_accumulation_factor / seconds
            self.hours_left = left / rate / 3600
            if self.budget is not None:
                self.hours_left = self.budget.minutes_left / 60
            return
        stats = mean_scores(self.scores)
        if stage == sb.Stage.VALID:
            if self.board is not None:
                self.board.log_stats(
                    {"epoch": epoch}, self.train_stats, valid_stats=stats
                )
            self.hparams.train_logger.log_stats(
                stats_meta={
                    "epoch": epoch,
                    "step": self.optimizer_step,
                    "lr": self.schedule_g.get_last_lr()[0],
                    "hours_left": round(self.hours_left, 2),
                },
                train_stats=self.train_stats,
                valid_stats=stats,
            )
            self.checkpointer.save_and_keep_only(
                meta={"step": self.optimizer_step, **stats}, num_to_keep=2
            )
        else:
            self.hparams.train_logger.log_stats(
                stats_meta={"step": self.optimizer_step}, test_stats=stats
            )

    def export(self, path):
        """Write the averaged codec as one file, with plain weights."""
        return fold_weight_norm(self.average.module).eval().save(path)


def check_rate(codec, sample_rate):
    """Raise an error if the data would be read at another rate than the codec's."""
    if codec.sample_rate != sample_rate:
        raise ValueError(
            f"sample_rate: {sample_rate}, but the codec works at {codec.sample_rate} "
            f"Hz. Set sample_rate to {codec.sample_rate}, or choose another source."
        )


def check_frozen(names):
    """Raise an error if not all of a list are parts of a codec."""
    allowed = ["encoder", "quantizer", "decoder"]
    if not isinstance(names, list) or any(name not in allowed for name in names):
        raise ValueError(
            f"frozen: {names}. Give a list of {', '.join(allowed)}, or [] to train all."
        )


def choose_valid_codebooks(codec, numbers):
    """Numbers of codebooks to score: as given, or a third of the codec's and all."""
    if numbers is None:
        return sorted({max(1, codec.n_codebooks // 3), codec.n_codebooks})
    check_codebooks("valid_codebooks", numbers, codec.n_codebooks)
    if not numbers:
        raise ValueError("valid_codebooks: []. Give at least one number of codebooks.")
    return numbers


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    check_rate(hparams["codec"], hparams["sample_rate"])
    check_frozen(hparams["frozen"])
    hparams["valid_codebooks"] = choose_valid_codebooks(
        hparams["codec"], hparams["valid_codebooks"]
    )
    if hparams.get("budget") is not None and dist.is_initialized():
        raise ValueError("a budget of time is for one process. Set budget to null.")
    run_on_main(hparams["prepare"])

    brain = CodecBrain(
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    train_data = hparams["train_data"]()
    valid_data = hparams["valid_data"]()
    brain.prepare_codec(train_data)
    brain.fit(
        hparams["epoch_counter"],
        train_data,
        valid_data,
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    if hparams["check_ranks"]:
        trained = torch.nn.ModuleList(map(unwrap, brain.modules.values()))
        logger.info("parameters are equal on %d processes", check_equal(trained))
    brain.evaluate(valid_data, test_loader_kwargs=hparams["valid_dataloader_opts"])
    run_on_main(
        brain.export,
        kwargs={"path": Path(hparams["output_folder"]) / "codec.safetensors"},
    )
