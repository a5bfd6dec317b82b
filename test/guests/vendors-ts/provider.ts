/** The twin of ../vendors-as/assembly/index.ts: sends what its input says through SendGrid or Twilio, and shows what they gave. */
import { defineProvider, type Mail, type SmsMessage, sendgrid, twilio } from 'gtpack/sdk';

export const { invoke } = defineProvider({
  invoke: {
    sendgrid_send: (input) => ({ ...sendgrid.send(input as unknown as Mail) }),
    twilio_send: (input) => ({ ...twilio.send(input as unknown as SmsMessage) }),
  },
});
