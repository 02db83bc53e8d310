// Walks create, read, update, patch, search, paging and delete with fhir-kit-client; prints what it saw as JSON.
// It is copied beside the folder that the package is installed in, where Node looks for it.
import * as loaded from "fhir-kit-client";

const [, , baseUrl] = process.argv;
const Client = loaded.default?.default ?? loaded.default ?? loaded.Client;
const client = new Client({ baseUrl });
const seen = {};

const made = await client.create({
  resourceType: "Patient",
  body: { resourceType: "Patient", name: [{ family: "Quist" }] },
});
seen.created = made.meta.versionId;
const read = await client.read({ resourceType: "Patient", id: made.id });
const updated = await client.update({
  resourceType: "Patient", id: made.id, body: { ...read, birthDate: "1954-03-09" },
});
seen.updated = updated.meta.versionId;
const patched = await client.patch({
  resourceType: "Patient", id: made.id, jsonPatch: [{ op: "add", path: "/active", value: true }],
});
seen.patched = patched.active;
for (let number = 0; number < 5; number += 1) {
  await client.create({
    resourceType: "Patient",
    body: { resourceType: "Patient", identifier: [{ system: "urn:kit", value: String(number) }] },
  });
}
let page = await client.search({ resourceType: "Patient", searchParams: { identifier: "urn:kit|", _count: 2 } });
seen.found = [];
while (page) {
  seen.found.push(...(page.entry ?? []).map((entry) => entry.resource.identifier[0].value));
  page = await client.nextPage({ bundle: page });
}
await client.delete({ resourceType: "Patient", id: made.id });
try {
  await client.read({ resourceType: "Patient", id: made.id });
} catch (error) {
  seen.gone = error.response.status;
}
console.log(JSON.stringify(seen));
