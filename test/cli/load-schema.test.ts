import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {loadSchema} from '../../src/cli/load-schema.ts'
import {EnvdriftError} from '../../src/core/errors.ts'
import type {Validate} from '../../src/workflows/prove.ts'

const flags = {ci: true, schema: 'schema.json', 'validate-schema': true, 'allow-schema-code': false}

/** The schema as `--schema` would load it. */
async function load(
  schema: object,
  {limitMs = 20_000, signal = new AbortController().signal}: {limitMs?: number; signal?: AbortSignal} = {},
): Promise<Validate> {
  const cwd = mkdtempSync(join(tmpdir(), 'envdrift-schema-'))
  onTestFinished(() => rmSync(cwd, {recursive: true}))
  writeFileSync(join(cwd, 'schema.json'), JSON.stringify(schema))
  return (await loadSchema(flags, {cwd, signal, limitMs}))!
}

const endless = {properties: {NAME: {pattern: '^(a+)+$'}}}
const value = {NAME: `${'a'.repeat(60)}!`}

it('gives a pattern up that backtracks for ever, says what to look for, and says so for every service', async () => {
  const validate = await load(endless, {limitMs: 1500})
  expect(await validate({NAME: 'aaa'})).toEqual([])
  for (const _ of [1, 2]) {
    const error: unknown = await validate(value).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EnvdriftError)
    expect(error).toMatchObject({
      code: 'SCHEMA_UNUSABLE',
      message: expect.stringMatching(/schema\.json was not done within 1\.5 s$/),
      suggestions: [expect.stringContaining('`pattern`')],
    })
  }
})

it('leaves such a pattern at once when the run is cancelled, with the reason of the run', async () => {
  const controller = new AbortController()
  const validate = await load(endless, {signal: controller.signal})
  setTimeout(() => controller.abort(new Error('Interrupted')), 200)
  await expect(validate(value)).rejects.toThrow('Interrupted')
})

it('knows what the expressions of JavaScript know: look-ahead, look-behind, back references, Unicode', async () => {
  const pattern = String.raw`^(?!.*admin)(?=.*\d)(\w)\1\p{L}+(?<!x)1$`
  const validate = await load({properties: {NAME: {pattern}}})
  expect(await validate({NAME: 'aaünü1'})).toEqual([])
  expect(await validate({NAME: 'aadmin1'})).toEqual([{name: 'NAME', rule: 'pattern'}])
})

it('answers each of many services by its own values, in whatever order they are asked', async () => {
  const validate = await load({required: ['PORT'], properties: {PORT: {type: 'integer'}}})
  const answers = await Promise.all([
    validate({PORT: '80'}),
    validate({}),
    validate({PORT: 'http'}),
    validate({PORT: '1'}),
  ])
  expect(answers).toEqual([[], [{name: 'PORT', rule: 'required'}], [{name: 'PORT', rule: 'type integer'}], []])
})

it('ends with an error, and not with the whole process, when the schema takes all memory', async () => {
  const eightOf = (name: string) => ({allOf: Array.from({length: 8}, () => ({$ref: `#/definitions/${name}`}))})
  const levels = Array.from({length: 12}, (_, level) => [`level${level + 1}`, eightOf(`level${level}`)] as const)
  const definitions = {level0: {pattern: 'b'}, ...Object.fromEntries(levels)}
  const validate = await load({definitions, properties: {NAME: {$ref: '#/definitions/level12'}}}, {limitMs: 10_000})
  await expect(validate({NAME: 'a'})).rejects.toMatchObject({
    code: 'SCHEMA_UNUSABLE',
    // A busy machine meets the other limit first.
    message: expect.stringMatching(/for want of memory|was not done within/),
  })
})
