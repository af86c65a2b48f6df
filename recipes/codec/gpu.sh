#!/usr/bin/env bash
# Use one GPU that is lent for minutes: its tests, speed, then training until time is over.
#
# > bash gpu.sh pieces/piece0 out/ [options of train.py]
# > RESUME=out/ bash gpu.sh pieces/piece1 out2/ --until 1.0     # a run that was carried
#
# What is worth keeping ends in the output folder: eight files of at most 16 MB.
# ALL is how many seconds there are. KEEP of them are left for what follows training:
# scoring, export, packing. The first run is compiled; that is part of its time.
#
# Authors
#  * The dac-lobe developers 2026
set -u

piece=$1 output=$2
shift 2
all=${ALL:-580} keep=${KEEP:-90}
recipe=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$recipe/../.." && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
mkdir -p "$output"
run=$(mktemp -d)

# A failure here is written down and costs no more than its time.
(cd "$root" && timeout "${TESTS:-60}" python -m pytest -m gpu -q -rs -p no:cacheprovider \
    $(grep -rl --include='*.py' 'mark\.gpu' tests)) \
    >"$output/gpu_tests.txt" 2>&1 || echo "ended with $?" >>"$output/gpu_tests.txt"
(cd "$root" && timeout "${SPEED:-60}" python benchmarks/speed.py --quick) \
    >"$output/speed.txt" 2>&1 || echo "ended with $?" >>"$output/speed.txt"

if [ -n "${RESUME:-}" ]; then
    python "$recipe/carry.py" unpack "$RESUME" "$run" || exit
fi
minutes=$(python -c "print(max(0.1, ($all - $keep - $SECONDS) / 60))")
timeout $((all - SECONDS - 15)) python "$recipe/train.py" \
    "$recipe/hparams/small_16khz_gpu.yaml" --data_folder "$piece" \
    --output_folder "$run" --minutes "$minutes" --noprogressbar "$@"
status=$?
python "$recipe/carry.py" pack "$run" "$output"
for name in train_log.txt log.txt codec.safetensors; do
    [ -f "$run/$name" ] && cp "$run/$name" "$output"
done
rm -rf "$run"
exit $status
