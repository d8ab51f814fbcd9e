// The usual receiver of Zoom's webhooks: verifies the signature over the raw body, parses, answers 200. Stores nothing.
const crypto = require('node:crypto');
const express = require('express');

const secret = process.env.ZOOM_SECRET_TOKEN;
const app = express();
app.disable('x-powered-by');

app.post('/webhook', express.raw({ type: 'application/json', limit: '1mb' }), (request, response) => {
  const timestamp = request.get('x-zm-request-timestamp') ?? '';
  const mac = crypto.createHmac('sha256', secret).update(`v0:${timestamp}:`).update(request.body).digest('hex');
  const expected = Buffer.from(`v0=${mac}`);
  const received = Buffer.from(request.get('x-zm-signature') ?? '');
  const fresh = Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300;
  if (!fresh || received.length !== expected.length || !crypto.timingSafeEqual(received, expected)) {
    return response.status(401).end();
  }
  JSON.parse(request.body);
  response.status(200).end();
});

const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
