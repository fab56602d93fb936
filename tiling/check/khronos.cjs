// Validates the GLB files that come on standard input, each after its length (32 bits); writes a
// line of JSON for each: the errors and warnings of Khronos' validator.
const validator = require('gltf-validator')

let waiting = Buffer.alloc(0)
let chain = Promise.resolve()

async function validate(content) {
  const report = await validator.validateBytes(new Uint8Array(content), { maxIssues: 100 })
  const found = report.issues.messages.filter((issue) => issue.severity < 2)
  process.stdout.write(JSON.stringify(found) + '\n')
}

process.stdin.on('data', (piece) => {
  waiting = Buffer.concat([waiting, piece])
  while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32LE(0)) {
    const end = 4 + waiting.readUInt32LE(0)
    const content = Buffer.from(waiting.subarray(4, end))
    waiting = waiting.subarray(end)
    chain = chain
      .then(() => validate(content))
      .catch((fault) => {
        const found = [{ code: 'UNREADABLE', message: String(fault).slice(0, 200) }]
        process.stdout.write(JSON.stringify(found) + '\n')
      })
  }
})
process.stdout.write('ready\n')
