"""The network of the paper, in torch alone: encoder, residual quantizer, decoder.

    wav [B, 1, T] --encoder--> latents [B, D, F] --quantizer--> codes [B, K, F]

`autoencoder` puts the three together; `executor` says what may run them in place of
their modules. Paper: https://arxiv.org/abs/2306.06546

Authors
 * The dac-lobe developers 2026
"""
