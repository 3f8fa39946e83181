import {PutParameterCommand, SSMClient} from '@aws-sdk/client-ssm'

import {provider as ssm} from '../../src/providers/aws-ssm/index.ts'
import {testHost, type Bed} from '../providers/contract.ts'
import {operationIn, startAwsServerAccount} from './aws-account.ts'

/** AWS SSM Parameter Store in an account of its own on the running moto. */
export async function startSsmServerBed(): Promise<Bed> {
  const {direct, log, bed} = await startAwsServerAccount('web identity')
  const client = new SSMClient(direct)
  const put = async (Name: string, Value: string): Promise<void> =>
    void (await client.send(
      new PutParameterCommand({Name, Value, Type: 'SecureString', Tier: 'Advanced', Overwrite: true}),
    ))

  return {
    ...bed,
    connect: (over) => ssm.connect({name: 'default', settings: {region: direct.region}}, testHost(over)),
    seed: put,
    addVersion: put,
    // Source: https://docs.aws.amazon.com/general/latest/gr/ssm.html
    largest: 8192,
    badName: 'team/myapp',
    reads: () =>
      log.flatMap((request) => {
        const [operation, {Names}] = operationIn(request)
        const names = operation === 'GetParameters' ? (Names as readonly string[]) : []
        return names.map((name) => ({name, inFlight: request.inFlight}))
      }),
    stop() {
      client.destroy()
      return bed.stop()
    },
  }
}
