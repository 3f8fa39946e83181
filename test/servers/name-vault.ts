import {placeOf} from '../../scripts/servers/place.ts'
import {runningServers} from '../../scripts/servers/state.ts'

// For tests that run a Vault of their own: what can't be undone, as sealing, is not done to the one that others use.
process.env['ENVDRIFT_TEST_VAULT_BIN'] = runningServers(placeOf()).vault.program
