// automerge-repo as a contestant: the other end of the harness's protocol (tests/bench/src/protocol.rs), over
// WebSocket and with automerge-repo's own storage in files.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Automerge from "@automerge/automerge"
import { Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter, WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { WebSocketServer } from "ws"

// How often something is looked at that no event tells of, in milliseconds.
const LOOK = 5
// How long the last key may take to reach everybody, in milliseconds.
const LAST_KEY = 30_000

const traffic = { sent_bytes: 0, received_bytes: 0, sent_messages: 0, received_messages: 0 }
// When the last message came or went; nothing before the first.
let lastMessage

function sent(bytes) {
  traffic.sent_bytes += bytes
  traffic.sent_messages += 1
  lastMessage = now()
}

function received(bytes) {
  traffic.received_bytes += bytes
  traffic.received_messages += 1
  lastMessage = now()
}

/** Counts what is handed to a socket. */
function counting(socket) {
  const send = socket.send.bind(socket)
  socket.send = (data, ...rest) => {
    sent(data.byteLength)
    return send(data, ...rest)
  }
}

class CountingServer extends WebSocketServerAdapter {
  receiveMessage(bytes, socket) {
    received(bytes.byteLength)
    super.receiveMessage(bytes, socket)
  }
}

class CountingClient extends WebSocketClientAdapter {
  connect(peerId, metadata) {
    super.connect(peerId, metadata)
    counting(this.socket)
  }

  receiveMessage(bytes) {
    received(bytes.byteLength)
    super.receiveMessage(bytes)
  }
}

/** automerge-repo's own storage in files, and which documents something was stored of. */
class CountingStorage extends NodeFSStorageAdapter {
  documents = new Set()

  async save(key, data) {
    await super.save(key, data)
    if (key[1] === "snapshot" || key[1] === "incremental") this.documents.add(key[0])
  }
}

/** Microseconds since 1970. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000)
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** The text in a small document; the same as in protocol.rs. */
function body(number) {
  const mask = (1n << 64n) - 1n
  let state = ((BigInt(number) * 0x9e3779b97f4a7c15n) & mask) | 1n
  let text = ""
  for (let n = 0; n < 250; n++) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & mask
    text += String.fromCharCode(33 + Number((state >> 33n) % 90n))
  }
  return text
}

/** The key that is typed as the n-th; the same as in protocol.rs. */
const key = (n) => String.fromCharCode(97 + ((Math.imul(n + 1, 2654435761) >>> 13) % 26))

function open(folder) {
  const storage = new CountingStorage(folder)
  return { storage, repo: new Repo({ storage, network: [], sharePolicy: async () => true }) }
}

function typeKey(handle, n) {
  handle.change((document) => {
    Automerge.splice(document, ["text"], Math.floor(document.text.length / 2), 0, key(n))
  })
}

const length = (handle) => handle.doc()?.text?.length ?? 0
const heads = (handle) => [...Automerge.getHeads(handle.doc())].sort()

/** Waits for the next change of a document, but not long. */
function changed(handle, ms) {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer)
      handle.off("heads-changed", end)
      done()
    }
    const timer = setTimeout(end, ms)
    handle.on("heads-changed", end)
  })
}

class Contestant {
  handles = new Map()
  made = []
  crowd = []

  constructor(store) {
    this.store = store
  }

  opened() {
    this.open ??= open(this.store)
    return this.open
  }

  async answer(request) {
    switch (request.do) {
      case "open": {
        const began = now()
        this.opened()
        return { began, shown: now() }
      }
      case "serve":
      case "invite":
        return { address: await this.serve() }
      case "connect": {
        const began = now()
        this.opened().repo.networkSubsystem.addNetworkAdapter(new CountingClient(request.address))
        return { began }
      }
      case "create": {
        const { repo } = this.opened()
        for (let n = 0; n < request.count; n++) {
          const number = this.made.length
          // Plain values, not texts.
          const title = new Automerge.ImmutableString(`thing ${number}`)
          this.made.push(repo.create({ title, body: new Automerge.ImmutableString(body(number)) }))
        }
        await repo.flush()
        return {}
      }
      case "import":
        return this.keep(this.opened().repo.import(new Uint8Array(readFileSync(request.path))))
      case "new":
        return this.keep(this.opened().repo.create({ text: "" }))
      case "type":
        return this.type(await this.document(request.document), request.count, request.every_ms)
      case "change":
        return this.change(request.count)
      case "wait":
        return this.wait(request.goal, now() + request.within_ms * 1000)
      case "quiet":
        return this.quiet(request.for_ms, request.within_ms)
      case "size":
        return { bytes: Automerge.save((await this.document(request.document)).doc()).byteLength }
      case "crowd": {
        for (let n = 0; n < request.count; n++) {
          const { repo } = open(join(this.store, `member-${n}`))
          repo.networkSubsystem.addNetworkAdapter(new CountingClient(request.address))
          this.crowd.push({ repo, handle: await this.found(repo, request.document, Infinity) })
        }
        return {}
      }
      case "crowd_type":
        return this.crowdTypes(request.count, request.every_ms)
      case "stop": {
        const repos = this.crowd.map((member) => member.repo)
        if (this.open) repos.push(this.open.repo)
        for (const repo of repos) await repo.shutdown()
        return {}
      }
      default:
        return { error: `it cannot ${request.do}` }
    }
  }

  async serve() {
    const { repo } = this.opened()
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
    await new Promise((done) => server.once("listening", done))
    server.on("connection", counting)
    repo.networkSubsystem.addNetworkAdapter(new CountingServer(server))
    return `ws://127.0.0.1:${server.address().port}`
  }

  async keep(handle) {
    await handle.whenReady()
    await this.opened().repo.flush([handle.documentId])
    this.handles.set(handle.documentId, handle)
    return { document: handle.documentId, heads: { [handle.documentId]: heads(handle) } }
  }

  async document(id) {
    if (!this.handles.has(id)) this.handles.set(id, await this.opened().repo.find(id))
    return this.handles.get(id)
  }

  /** A document that may not have come yet. */
  async found(repo, id, until) {
    while (now() < until) {
      try {
        return await repo.find(id, { signal: AbortSignal.timeout(60_000) })
      } catch {
        await sleep(LOOK)
      }
    }
    return undefined
  }

  async type(handle, count, everyMs) {
    const began = now()
    let shown = began
    const latencies = []
    for (let n = 0; n < count; n++) {
      shown = now()
      typeKey(handle, n)
      latencies.push(Math.round(Math.max(0, now() - began - n * everyMs * 1000)))
      const wait = began / 1000 + (n + 1) * everyMs - now() / 1000
      if (n + 1 < count) await (everyMs > 0 ? sleep(Math.max(0, wait)) : new Promise(setImmediate))
    }
    // When it is on disk it does not tell.
    return { began, shown, latencies }
  }

  async change(count) {
    const step = Math.max(1, Math.floor(this.made.length / count))
    const changed = {}
    for (let n = 0; n < count; n++) {
      const handle = this.made[n * step]
      handle.change((document) => {
        document.done = true
      })
      changed[handle.documentId] = heads(handle)
    }
    await this.opened().repo.flush()
    return { heads: changed }
  }

  async wait(goal, until) {
    const { repo, storage } = this.opened()
    if (goal.documents !== undefined) {
      // It does not tell of documents that come by themselves, but it stores them.
      while (storage.documents.size < goal.documents) {
        if (now() > until) return { late: true }
        await sleep(LOOK)
      }
    } else if (goal.heads) {
      for (const [id, wanted] of Object.entries(goal.heads)) {
        const handle = await this.found(repo, id, until)
        while (!handle || heads(handle).join() !== wanted.join()) {
          if (now() > until) return { late: true }
          await sleep(LOOK)
        }
      }
    } else {
      const { document, length: wanted } = goal.length
      const handle = this.handles.get(document) ?? (await this.found(repo, document, until))
      if (handle) this.handles.set(document, handle)
      while (!handle || length(handle) < wanted) {
        if (now() > until) return { late: true }
        await changed(handle, LOOK)
      }
    }
    return { shown: now() }
  }

  async quiet(forMs, withinMs) {
    const asked = now()
    // Before the first message nothing has begun.
    while (!lastMessage || now() - Math.max(asked, lastMessage) < forMs * 1000) {
      if (now() > asked + withinMs * 1000) return { late: true }
      await sleep(LOOK)
    }
    return { shown: lastMessage, traffic }
  }

  async crowdTypes(count, everyMs) {
    const [first, ...others] = this.crowd
    const before = length(first.handle)
    const watching = others.map(({ handle }) => watch(handle, before, count))
    const typed = []
    const began = now() / 1000
    for (let n = 0; n < count; n++) {
      typed.push(now())
      typeKey(first.handle, n)
      await sleep(Math.max(0, began + (n + 1) * everyMs - now() / 1000))
    }
    const latencies = []
    for (const seen of await Promise.all(watching)) {
      // A key that was never seen counts as one that took the whole wait.
      typed.forEach((moment, n) => latencies.push(Math.max(0, (seen[n] ?? moment + LAST_KEY * 1000) - moment)))
    }
    return { latencies }
  }
}

/** The moment at which each key was shown, in order. */
async function watch(handle, before, count) {
  const seen = []
  let last = now()
  for (;;) {
    const shown = Math.min(count, length(handle) - before)
    while (seen.length < shown) {
      seen.push(now())
      last = now()
    }
    if (shown >= count || now() - last > LAST_KEY * 1000) return seen
    await changed(handle, 4 * LOOK)
  }
}

const [flag, store] = process.argv.slice(2)
if (flag !== "--store" || !store) {
  console.error("use: contestant.mjs --store FOLDER")
  process.exit(2)
}
const contestant = new Contestant(store)
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let reply
  try {
    reply = await contestant.answer(request)
  } catch (error) {
    reply = { error: String(error?.stack ?? error) }
  }
  console.log(JSON.stringify(reply))
  if (request.do === "stop") process.exit(0)
}
// Whoever asked is gone.
process.exit(0)
