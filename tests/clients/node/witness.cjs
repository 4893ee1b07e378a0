// What the programs of this folder share: a client, and words for what was seen.
//
// Where the service is and who calls stands in the environment (SIGNALWIRE_SPACE_URL is the client's own variable),
// never on the command line, which every user of the machine can read.
'use strict';

const assert = require('node:assert/strict');
const { RestClient } = require('@signalwire/compatibility-api');

const PROJECT = process.env.SIGNALWIRE_PROJECT_ID;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const client = (project = PROJECT, token = process.env.SIGNALWIRE_API_TOKEN) => RestClient(project, token);

// One line for one thing that was seen to be true.
const witnessed = (what) => console.log(`node: ${what}`);

// The client's typed error of a call that must fail with that status.
async function refused(status, code, call) {
  let answered;
  try {
    answered = await call();
  } catch (error) {
    assert.equal(error.status, status, error.stack);
    assert.equal(error.code, code);
    assert.ok(error.message.length > 0, 'says what is wrong');
    assert.ok(error.moreInfo.endsWith(`/docs#error-${code}`), error.moreInfo);
    return error;
  }
  assert.fail(`not refused with ${status}: ${JSON.stringify(answered)}`);
}

module.exports = { PROJECT, UUID, assert, client, refused, witnessed };
