// fastify + onnxruntime-node: peer.js PORT MODEL.onnx; node_modules is found through NODE_PATH.
const fastify = require("fastify")({ bodyLimit: 64 << 20 });
const ort = require("onnxruntime-node");
const [port, file] = process.argv.slice(2);

async function main() {
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 });
  const run = async (data, rows) =>
    (await session.run({ x: new ort.Tensor("float32", data, [rows, data.length / rows]) })).y;
  fastify.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_, body, done) =>
    done(null, body));
  fastify.post("/json", async (request) => {
    const rows = request.body.inputs;
    const width = rows[0].length;
    const data = new Float32Array(rows.length * width);
    rows.forEach((row, i) => data.set(row, i * width));
    const y = await run(data, rows.length);
    const outputs = [];
    const n = y.dims[1];
    for (let i = 0; i < rows.length; i++) outputs.push(Array.from(y.data.subarray(i * n, (i + 1) * n)));
    return { outputs };
  });
  fastify.post("/raw", async (request, reply) => {
    const b = request.body;
    const copy = b.buffer.slice(b.byteOffset, b.byteOffset + b.length);
    const y = await run(new Float32Array(copy), 1);
    reply.type("application/octet-stream");
    return Buffer.from(y.data.buffer, y.data.byteOffset, y.data.byteLength);
  });
  await fastify.listen({ port: Number(port), host: "127.0.0.1" });
}
main();
