#!/usr/bin/env bash
# sigmad by curl: from nothing to a network that reads handwritten digits, in a few seconds.
# Everything a client does here is one plain curl call; read it from top to bottom.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/demo-lib.sh
. tests/demo-lib.sh

step "Start the daemon: a free port, an empty state folder."
start_daemon

step "Upload 1440 handwritten digits to learn from, and 357 from later pages to test with: CSV, 8 x 8
pixels and the digit's name in the last column."
for part in train test; do
    curl -sS --fail-with-body -T "tests/data/digits-$part.csv" -H 'Content-Type: text/csv' \
        "$api/v1/datasets/digits-$part" | jq -c '{name, rows, features, classes}'
done

step "Create a network: 64 inputs, 40 hidden units, 10 outputs that add up to 1."
curl -sS --fail-with-body -X PUT "$api/v1/models/digits" -H 'Content-Type: application/json' -d '{
    "inputs": 64,
    "layers": [{"units": 40, "activation": "sigmoid"}, {"units": 10, "activation": "softmax"}],
    "cost": "log_likelihood", "normalize": "standard", "seed": 7
}' | jq -c '{name, inputs, outputs, parameters, version}'

step "Untrained, it guesses: about one in ten."
curl -sS --fail-with-body "$api/v1/models/digits/evaluate" -H 'Content-Type: application/json' \
    -d '{"dataset": "digits-test"}' | jq -c '{rows, loss, accuracy}'

step "Train it for 30 epochs. The answer is a job, at once: training goes on by itself."
job=$(curl -sS --fail-with-body "$api/v1/models/digits/train" -H 'Content-Type: application/json' -d '{
    "dataset": "digits-train", "validation": {"dataset": "digits-test"},
    "epochs": 30, "batch_size": 5, "l2": 2.0, "seed": 1, "publish_seconds": 0,
    "optimizer": {"name": "sgd", "learning_rate": 0.1}
}' | jq -r .id)
echo "job $job"

step "Ask it while it trains, and ask the job how it is doing. Each answer comes from one whole version
of the network, never from half-updated weights; the version's number goes up as epochs are published."
row=$(sed -n 12p tests/data/digits-test.csv)
epoch=0 asked=0
while :; do
    state=$(curl -sS --fail-with-body "$api/v1/jobs/$job")
    answer=$(curl -sS --fail-with-body "$api/v1/models/digits/predict" -H 'Content-Type: application/json' \
        -d "{\"inputs\": [[${row%,*}]]}")
    asked=$((asked + 1))
    jq -r --argjson from "$epoch" --argjson answer "$answer" '.history[$from:][] |
        "epoch \(.epoch)\tloss \(.loss * 1e4 | round / 1e4)\taccuracy \(.validation_accuracy * 1e4 | round / 100) %" +
        "\tversion \($answer.version) reads \($answer.labels[0])"' <<<"$state"
    epoch=$(jq '.history | length' <<<"$state")
    [ "$(jq -r '.state == "queued" or .state == "running"' <<<"$state")" = true ] || break
done
jq -r '"\(.state): \(.epochs) epochs, \(.samples_per_second | round) rows a second"' <<<"$state"
echo "asked $asked times meanwhile; the digit is ${row##*,}"
[ "$(jq -r .state <<<"$state")" = succeeded ] || exit 1

step "What a person at a terminal would have seen meanwhile (curl -N shows it as it goes on); here, the end."
curl -sS --fail-with-body -H 'Accept: text/plain' "$api/v1/jobs/$job/events" | tail -n 3 | sed 's/ *$//; s/.*\r//'

step "How good is it on digits it has never seen?"
curl -sS --fail-with-body "$api/v1/models/digits/evaluate" -H 'Content-Type: application/json' \
    -d '{"dataset": "digits-test"}' >"$work/evaluation"
jq -r '"accuracy \(.accuracy * 1e4 | round / 100) % of \(.rows) rows, loss \(.loss * 1e4 | round / 1e4)",
    "confusion, rows are truth:", (.confusion[] | map(tostring) | "  " + join("\t"))' "$work/evaluation"
jq -e '.accuracy >= 0.96' "$work/evaluation" >/dev/null || { echo "below 96 %" >&2; exit 1; }

step "A few of them, drawn, with its answer:"
for line in 30 59 155 231 310; do
    row=$(sed -n "${line}p" tests/data/digits-test.csv)
    curl -sS --fail-with-body "$api/v1/models/digits/predict" -H 'Content-Type: application/json' \
        -d "{\"inputs\": [[${row%,*}]]}" >"$work/answer"
    draw "${row%,*}" 8 16 "$(jq -r '"it reads \(.labels[0]), sure to \(.outputs[0] | max * 100 | round) %"' "$work/answer")" \
        "it is ${row##*,}"
done

step "Export it: spec, weights and labels as JSON. Import it under another name: it is the same model."
curl -sS --fail-with-body "$api/v1/models/digits/export" -o "$work/digits.json"
echo "$(wc -c <"$work/digits.json") bytes, $(jq '.layers[0].weights | length' "$work/digits.json") hidden units"
curl -sS --fail-with-body -T "$work/digits.json" -H 'Content-Type: application/json' \
    "$api/v1/models/twin" | jq -c '{name, version, digest}'

step "Both answer the 357 test rows; the outputs are compared digit by digit."
sed 1d tests/data/digits-test.csv | jq -R -s '{inputs: [split("\n")[] | select(. != "") | split(",")[:-1] | map(tonumber)]}' \
    >"$work/rows.json"
for model in digits twin; do
    curl -sS --fail-with-body "$api/v1/models/$model/predict" -H 'Content-Type: application/json' \
        --data-binary "@$work/rows.json" | jq -c '.outputs[]' >"$work/$model.outputs"
done
cmp "$work/digits.outputs" "$work/twin.outputs"
echo "$(wc -l <"$work/twin.outputs") rows, the same to the last digit"

step "Stop the daemon: requests in flight would finish, and it exits with 0."
stop_daemon
echo "done"
