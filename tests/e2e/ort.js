// Runs ONNX files by onnxruntime-node, found through NODE_PATH. On stdin a JSON array of {model, inputs, width,
// outputs}: paths, of which inputs holds rows of width float32 and outputs gets those of the graph's output.
const fs = require("fs");
const ort = require("onnxruntime-node");

async function run(job) {
  const session = await ort.InferenceSession.create(job.model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const bytes = fs.readFileSync(job.inputs);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const made = await session.run({ inputs: new ort.Tensor("float32", data, [data.length / job.width, job.width]) });
  const { data: y } = made.outputs;
  fs.writeFileSync(job.outputs, Buffer.from(y.buffer, y.byteOffset, y.byteLength));
}

async function main() {
  for (const job of JSON.parse(fs.readFileSync(0, "utf8"))) await run(job);
}
main();
