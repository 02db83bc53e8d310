// An app that uses the SMART JavaScript client, as its documentation has it; says where it listens, then what it found.
import http from "node:http"
import { createRequire } from "node:module"
const smart = createRequire(import.meta.url)("fhirclient")

const [iss, clientId] = process.argv.slice(2)
const kept = {}
const storage = {
  get: async key => kept[key],
  set: async (key, value) => (kept[key] = value),
  unset: async key => delete kept[key],
}
const app = http.createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/launch")) {
      // Opened from a chart, iss and launch are in the address, and the library takes them from there.
      const opened = request.url.includes("launch=")
      const scope = `openid fhirUser ${opened ? "launch" : "launch/patient"} offline_access patient/*.rs`
      const from = opened ? {} : { iss }
      await smart(request, response, storage).authorize({ ...from, clientId, redirectUri: "/app", pkceMode: "required", scope })
    } else if (request.url.startsWith("/app")) {
      const client = await smart(request, response, storage).ready()
      const found = await client.request(`Goal?patient=${client.patient.id}`)
      const patient = await client.patient.read()
      await client.refresh()
      const again = await client.request(`Patient/${client.patient.id}`)
      const told = { patient: patient.id, user: client.user.fhirUser, goals: (found.entry || []).length, again: again.id }
      response.end(JSON.stringify(told))
    } else response.writeHead(404).end()
  } catch (error) {
    response.writeHead(500).end(JSON.stringify({ error: String(error && error.stack) }))
  }
})
app.listen(0, "127.0.0.1", () => console.log(app.address().port))
