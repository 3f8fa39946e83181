import {expect, it} from 'vitest'

import {ref} from '../aws-asking.ts'
import {gist, readAll} from '../contract.ts'
import {connect, start} from './asking.ts'

const theirs = '999999999999'
const arnOf = (name: string): string => `arn:aws:secretsmanager:us-east-1:${theirs}:secret:${name}`

it.each(['auto', 'off'])(
  'keeps our secret apart from that of another account with its name, batch %s',
  async (batch) => {
    const {fake} = await start()
    fake.put('team/app', 'ours')
    fake.put('team/app', 'theirs', 'us-east-1', theirs)
    const provider = await connect({region: 'us-east-1', batch})
    const [plain, foreign] = [ref('team/app'), ref(arnOf('team/app'))]
    for (const refs of [
      [plain, foreign],
      [foreign, plain],
    ])
      expect((await readAll(provider, refs)).map(gist)).toEqual(
        refs.map((one) => (one === plain ? 'found ours' : 'found theirs')),
      )
  },
)

it('never says found for our secret because another account has one of its name', async () => {
  const {fake} = await start()
  fake.put('team/app', 'theirs', 'us-east-1', theirs)
  const answers = await readAll(await connect(), [ref('team/app'), ref(arnOf('team/app')), ref('team/other')])
  expect(answers.map(gist)).toEqual(['absent', 'found theirs', 'absent'])
})

it('never says so either where theirs is named by the whole ARN, as a batch takes it', async () => {
  const {fake} = await start()
  const arn = fake.put('team/app', 'theirs', 'us-east-1', theirs)
  const answers = await readAll(await connect(), [ref('team/app'), ref(arn), ref('team/other')])
  expect(answers.map(gist)).toEqual(['absent', 'found theirs', 'absent'])
})

it('tells an ARN with its last characters from a secret that is named like that', async () => {
  const {fake} = await start()
  const short = fake.put('foo', 'short', 'us-east-1', theirs)
  const long = fake.put(`foo-${short.slice(-6)}`, 'long', 'us-east-1', theirs)
  const provider = await connect()
  const refs = [short, long, arnOf('foo')].map((arn) => ref(arn))
  expect((await readAll(provider, refs)).map(gist)).toEqual(['found short', 'found long', 'found short'])
})

it('lets a region that does not exist fail its own secrets only', async () => {
  const {fake} = await start()
  const names = Array.from({length: 60}, (_, n) => `service-${n}`)
  for (const name of names) fake.put(name, `value of ${name}`)
  const nowhere = ref('arn:aws:secretsmanager:eu-nowhere-9:123456789012:secret:x')
  const provider = await connect({region: 'us-east-1', batch: 'off'}, {maxInFlight: 4})
  const [lost, ...found] = await readAll(provider, [nowhere, ...names.map((name) => ref(name))])
  expect(lost!.kind).not.toBe('found')
  expect(found.map(gist)).toEqual(names.map((name) => `found value of ${name}`))
})
