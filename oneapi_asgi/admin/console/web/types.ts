/** The description of the administration at standard input, as types: `npm run types < openapi.json`, or `-- FILE`. */
import { writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";

import openapi, { astToString } from "openapi-typescript";

interface Operation {
  responses: Record<string, unknown>;
}

const document = JSON.parse(await text(process.stdin)) as {
  paths: Record<string, Record<string, Operation>>;
};
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) {
    const { "200": done } = operation.responses;
    operation.responses = { "200": done, default: { $ref: "#/components/responses/Refused" } };
  }
}
const refused = {
  description: "Refused.",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Refusal" } } },
};
const nodes = await openapi(
  { ...document, components: { ...document["components" as never], responses: { Refused: refused } } } as never,
  {
    alphabetize: true,
  },
);
writeFileSync(process.argv[2] ?? new URL("src/schema.d.ts", import.meta.url), astToString(nodes));
