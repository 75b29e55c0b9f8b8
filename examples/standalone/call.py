"""A caller: the OpenAI SDK, with the gateway as its base URL."""

from __future__ import annotations

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("GATEWAY_URL", "http://127.0.0.1:3000/v1"),
    api_key=os.environ["CI_TOKEN"],
)

print("models:", ", ".join(model.id for model in client.models.list()))

answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello."}])
print("whole:", answer.choices[0].message.content)

print("stream:", end=" ")
for chunk in client.chat.completions.create(
    model="gpt-4o", messages=[{"role": "user", "content": "Say hello."}], stream=True
):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
