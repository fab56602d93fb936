// Validates the GLB files named on standard input, one a line; prints {path: issues} as JSON.
import { readFileSync } from 'node:fs'
import validator from 'gltf-validator'

const paths = readFileSync(0, 'utf8').split('\n').filter(Boolean)
const found = {}
for (const path of paths) {
  const report = await validator.validateBytes(new Uint8Array(readFileSync(path)), {
    uri: path,
    maxIssues: 100,
  })
  found[path] = report.issues.messages.filter((issue) => issue.severity < 2) // errors, warnings
}
process.stdout.write(JSON.stringify(found))
