// client.api.accounts: create, fetch, update, and the list that pages by itself.
'use strict';

const { PROJECT, UUID, assert, client, witnessed } = require('./witness.cjs');

const isRecent = (date) => date instanceof Date && Math.abs(Date.now() - date.getTime()) < 10 * 60 * 1000;

async function main() {
  const own = client();
  const accounts = own.api.accounts;

  const root = await accounts(PROJECT).fetch();
  assert.equal(root.sid, PROJECT);
  assert.equal(root.ownerAccountSid, PROJECT, 'a root owns itself');
  assert.equal(root.status, 'active');
  assert.equal(root.type, 'Full');
  assert.equal(root.authToken, 'redacted');
  witnessed('accounts(sid).fetch shows the own project, its auth token redacted');

  const created = await accounts.create({ friendlyName: 'Customer 0' });
  assert.match(created.sid, UUID);
  assert.equal(created.friendlyName, 'Customer 0');
  assert.equal(created.ownerAccountSid, PROJECT);
  assert.ok(isRecent(created.dateCreated) && isRecent(created.dateUpdated), 'the dates are read as dates');
  // The client's account has no field for it; what was answered is still at hand.
  const answered = own.httpClient.lastResponse;
  assert.equal(answered.statusCode, 201);
  assert.match(answered.body.signing_key, /^PSK_[0-9a-f]{32}$/);
  witnessed('accounts.create makes a subproject, and its signing key is answered');

  const fetched = await accounts(created.sid).fetch();
  assert.deepEqual(fetched.toJSON(), created.toJSON());
  assert.equal(own.httpClient.lastResponse.body.signing_key, null, 'the signing key is shown once');
  witnessed('accounts(sid).fetch shows what accounts.create made, without the signing key');

  const renamed = await accounts(created.sid).update({ friendlyName: 'Kundin „Null“ & Söhne 100 %' });
  assert.equal(renamed.sid, created.sid);
  assert.equal(renamed.friendlyName, 'Kundin „Null“ & Söhne 100 %');
  assert.equal((await fetched.fetch()).friendlyName, renamed.friendlyName);
  witnessed('accounts(sid).update changes the friendly name');

  const made = [created.sid];
  for (let n = 1; n < 10; n += 1) {
    made.push((await accounts.create({ friendlyName: `Customer ${n}` })).sid);
  }
  const listed = (await accounts.list({ pageSize: 3 })).map((account) => account.sid);
  assert.equal(new Set(listed).size, listed.length, 'each row once');
  assert.ok(listed.includes(PROJECT));
  assert.deepEqual(listed.filter((sid) => made.includes(sid)), [...made].reverse(), 'newest first');
  witnessed('accounts.list walks several pages by itself: every row once, the newest first');

  const full = (await accounts.list({ pageSize: listed.length })).map((account) => account.sid);
  assert.deepEqual(full, listed);
  witnessed('accounts.list ends after a last page that is full');

  const limited = (await accounts.list({ limit: 5, pageSize: 2 })).map((account) => account.sid);
  assert.deepEqual(limited, listed.slice(0, 5));
  witnessed('accounts.list stops at its limit, in the middle of a page');

  const first = await accounts.page({ pageSize: 4 });
  const second = await first.nextPage();
  assert.deepEqual(second.instances.map((account) => account.sid), listed.slice(4, 8));
  const back = await second.previousPage();
  assert.deepEqual(back.instances.map((account) => account.sid), listed.slice(0, 4));
  assert.equal(back.previousPage(), undefined, 'before the first page there is none');
  const again = await accounts.getPage(first.nextPageUrl);
  assert.deepEqual(again.instances.map((account) => account.sid), listed.slice(4, 8));
  witnessed('page.nextPage, page.previousPage and accounts.getPage follow the links');

  const found = await accounts.list({ friendlyName: 'Customer 7', pageSize: 1 });
  assert.deepEqual(found.map((account) => account.sid), [made[7]]);
  witnessed('accounts.list keeps a filter by friendly name');
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
