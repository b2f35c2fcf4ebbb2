// A push service and the browsers behind it, for tests: it takes messages over, decrypts them as the browser would (RFC 8291,
// aes128gcm of RFC 8188) and keeps what they say. Nothing of the project is used in it but the contract's types.
import { createDecipheriv, createECDH, hkdfSync, randomBytes, type ECDH } from "node:crypto";
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";

export interface Message {
  /** Which subscription it came to, in the order of their making. */
  to: number;
  /** What the worker would be given. */
  told: { title: string; body: string; icon: string; url: string; tag: string; campaign: string };
  headers: IncomingMessage["headers"];
}

export interface Keys {
  endpoint: string;
  p256dh: Uint8Array<ArrayBuffer>;
  auth: Uint8Array<ArrayBuffer>;
}

export class PushService {
  readonly received: Message[] = [];
  /** What single subscriptions are answered; 201 otherwise. */
  readonly answers = new Map<number, number>();
  private readonly browsers: { ecdh: ECDH; auth: Buffer }[] = [];

  private constructor(private readonly server: HttpServer, private readonly origin: string) {}

  static async serve(): Promise<PushService> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    const service = new PushService(server, `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`);
    server.on("request", async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const to = Number(request.url?.split("/").at(-1));
      const status = service.answers.get(to) ?? 201;
      try {
        if (status === 201) service.received.push({ to, told: JSON.parse(service.decrypt(to, Buffer.concat(parts))), headers: request.headers });
        response.writeHead(status).end();
      } catch (error) {
        response.writeHead(400).end(String(error));
      }
    });
    return service;
  }

  /** A browser that subscribes. */
  subscription(): Keys {
    const ecdh = createECDH("prime256v1");
    const auth = randomBytes(16);
    const p256dh = Uint8Array.from(ecdh.generateKeys());
    this.browsers.push({ ecdh, auth });
    return { endpoint: `${this.origin}/push/${this.browsers.length - 1}`, p256dh, auth: Uint8Array.from(auth) };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private decrypt(to: number, body: Buffer): string {
    const browser = this.browsers[to];
    if (!browser) throw new Error(`no subscription ${to}`);
    // salt (16), record size (4), length of the sender's key (1), the key, the one record.
    const salt = body.subarray(0, 16);
    const senders = body.subarray(21, 21 + (body[20] ?? 0));
    const record = body.subarray(21 + senders.length);
    const derive = (key: Uint8Array, salted: Uint8Array, info: Buffer, length: number) => Buffer.from(hkdfSync("sha256", key, salted, info, length));
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), browser.ecdh.getPublicKey(), senders]);
    const input = derive(browser.ecdh.computeSecret(senders), browser.auth, info, 32);
    const key = derive(input, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
    const nonce = derive(input, salt, Buffer.from("Content-Encoding: nonce\0"), 12);
    const open = createDecipheriv("aes-128-gcm", key, nonce);
    open.setAuthTag(record.subarray(-16));
    const plain = Buffer.concat([open.update(record.subarray(0, -16)), open.final()]);
    // The last record ends with 2 and zeroes.
    return plain.subarray(0, plain.lastIndexOf(2)).toString("utf8");
  }
}
