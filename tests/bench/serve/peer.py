"""FastAPI + PyTorch: peer.py PORT MODEL.json, the model as sigmad exports it."""
import json
import sys

import torch
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

torch.set_num_threads(1)
app = FastAPI()
layers = []
for layer in json.load(open(sys.argv[2]))["layers"]:
    linear = torch.nn.Linear(len(layer["weights"][0]), len(layer["weights"]))
    linear.weight.data = torch.tensor(layer["weights"], dtype=torch.float32)
    linear.bias.data = torch.tensor(layer["biases"], dtype=torch.float32)
    layers += [linear, torch.nn.Sigmoid()]
net = torch.nn.Sequential(*layers).eval()


class Body(BaseModel):
    inputs: list[list[float]]


@app.post("/json")
def on_json(body: Body):
    with torch.inference_mode():
        return {"outputs": net(torch.tensor(body.inputs)).tolist()}


@app.post("/raw")
async def on_raw(request: Request):
    with torch.inference_mode():
        x = torch.frombuffer(bytearray(await request.body()), dtype=torch.float32)
        return Response(net(x).numpy().tobytes(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
