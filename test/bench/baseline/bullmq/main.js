#!/usr/bin/env node
// The same service written with NestJS and BullMQ. Ingest verifies and validates a webhook, and enqueues one job per channel with the
// webhook's id as the job's. The worker of each channel has a send that does nothing. Decorators are called as functions, so that nothing
// has to be compiled.
'use strict';
require('reflect-metadata');
const { Agent, request } = require('node:http');
const { createHmac, timingSafeEqual } = require('node:crypto');
const { BullModule, InjectQueue, Processor, WorkerHost } = require('@nestjs/bullmq');
const { Controller, HttpCode, HttpException, Module, Post, Req } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

const channels = ['sms', 'email', 'whatsapp'];
const priorities = { payment_complete: 1, order_create: 2, pos_save: 3, order_update: 4 };
const [host, port] = process.env.REDIS_ADDR.split(':');
const root = BullModule.forRoot({ connection: { host, port: Number(port) } });
const options = { removeOnComplete: 100, removeOnFail: 50, attempts: 4, backoff: { type: 'exponential', delay: 2000 } };

class Webhooks {
  constructor(...queues) {
    this.queues = queues;
  }

  async pos(webhook) {
    const mac = createHmac('sha256', process.env.WEBHOOK_SECRET).update(webhook.rawBody).digest();
    const given = Buffer.from(webhook.headers['x-webhook-signature'] ?? '', 'hex');
    if (given.length !== mac.length || !timingSafeEqual(given, mac)) throw new HttpException('signature', 401);
    const hook = webhook.body;
    if (!hook.id || !priorities[hook.event_type] || !hook.timestamp || !hook.data) throw new HttpException('webhook', 422);
    await Promise.all(channels.map((channel, i) => this.queues[i].add('send', hook, { ...options, jobId: `${hook.id}-${channel}`, priority: priorities[hook.event_type] })));
    return { id: hook.id, status: 'accepted' };
  }
}
channels.forEach((channel, i) => InjectQueue(channel)(Webhooks, undefined, i));
Req()(Webhooks.prototype, 'pos', 0);
const pos = Object.getOwnPropertyDescriptor(Webhooks.prototype, 'pos');
Post('pos')(Webhooks.prototype, 'pos', pos);
HttpCode(202)(Webhooks.prototype, 'pos', pos);
Controller('webhooks')(Webhooks);

class Ingest {}
Module({ imports: [root, BullModule.registerQueue(...channels.map((name) => ({ name })))], controllers: [Webhooks] })(Ingest);

const agent = new Agent({ keepAlive: true, maxSockets: 50 });
const send = (body) =>
  new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const call = request(process.env.PROVIDER_URL, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode < 300 ? resolve() : reject(new Error(`HTTP ${answer.statusCode}`))));
    });
    call.on('error', reject);
    call.end(body);
  });

class Sender extends WorkerHost {
  async process(job) {
    if (process.env.PROVIDER_URL) await send(JSON.stringify(job.data));
  }
}
class Work {}
if (process.env.CHANNEL) {
  Processor(process.env.CHANNEL, { concurrency: 50 })(Sender);
  Module({ imports: [root, BullModule.registerQueue({ name: process.env.CHANNEL })], providers: [Sender] })(Work);
}

async function main() {
  if (process.env.CHANNEL) {
    const app = await NestFactory.createApplicationContext(Work, { logger: ['error'] });
    app.enableShutdownHooks();
    return;
  }
  const app = await NestFactory.create(Ingest, { logger: ['error'], rawBody: true, forceCloseConnections: true });
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}
main();
