//! `katori/join/1` spoken by hand, from its description alone: by those who do not keep to it.

use iroh::endpoint::{Connection, RecvStream, SendStream};
use katori_acl::codec::{Reader, Writer};
use katori_acl::{Claim, Contact, DeviceId, DeviceKey, Ticket};
use katori_net::JOIN_ALPN;

use crate::world::{Device, Stranger, invite_secret, read, write};

pub(crate) const JOIN: u8 = 1;

/// An exchange, from either side.
pub(crate) struct Talk {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    pub(crate) ticket: Ticket,
    pub(crate) inviter: DeviceId,
    pub(crate) joiner: DeviceId,
    pub(crate) challenge: [u8; 32],
    /// The bytes of the signed claim, once there is one.
    pub(crate) signed: Vec<u8>,
}

impl Talk {
    /// The joiner's side: hello, and the challenge that comes back.
    pub(crate) async fn greet(stranger: &Stranger, contact: &Contact, ticket: &Ticket) -> Self {
        let connection = stranger.connect(contact, JOIN_ALPN).await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let mut hello = Writer::new();
        ticket.secret().public().encode(hello.byte(1).byte(1));
        write(&mut send, &hello.finish()).await;
        let bytes = read(&mut receive).await;
        assert_eq!(bytes[..2], [1, 2], "a challenge");
        Self {
            connection,
            send,
            receive,
            ticket: ticket.clone(),
            inviter: contact.device,
            joiner: stranger.contact().device,
            challenge: bytes[2..].try_into().unwrap(),
            signed: Vec::new(),
        }
    }

    /// The inviter's side: waits for a hello and a claim.
    pub(crate) async fn receive(stranger: &Stranger, ticket: &Ticket) -> Self {
        let connection = stranger.accept().await;
        let (mut send, mut receive) = connection.accept_bi().await.unwrap();
        assert_eq!(read(&mut receive).await[..2], [1, 1], "a hello");
        let challenge = [7; 32];
        write(&mut send, &[&[1, 2], challenge.as_slice()].concat()).await;
        let claim = read(&mut receive).await;
        assert_eq!(claim[..3], [1, 3, JOIN], "a claim");
        let signed = Reader::new(&claim[3..]).bytes("claim", 1024).unwrap().to_vec();
        let joiner = DeviceId::from_bytes(*connection.remote_id().as_bytes());
        Self {
            connection,
            send,
            receive,
            ticket: ticket.clone(),
            inviter: stranger.contact().device,
            joiner,
            challenge,
            signed,
        }
    }

    pub(crate) async fn say(&mut self, message: &[u8]) {
        write(&mut self.send, message).await;
    }

    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        read(&mut self.receive).await
    }

    /// The next message, which is of this kind: its fields.
    pub(crate) async fn hear_of_kind(&mut self, kind: u8) -> Vec<u8> {
        let message = self.hear().await;
        assert_eq!(message[..2], [1, kind]);
        message[2..].to_vec()
    }

    pub(crate) fn exporter(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.connection.export_keying_material(&mut bytes, b"katori/join/1", &[]).unwrap();
        bytes
    }

    /// The claim by which a device of a person joins.
    pub(crate) fn claim_of(&self, device: &Device) -> Claim {
        Claim {
            invite: self.ticket.secret().public(),
            challenge: self.challenge,
            inviter: self.inviter,
            joiner: self.joiner,
            person: Some(device.person()),
            consent: None,
            exporter: self.exporter(),
            name: "laptop".to_owned(),
        }
    }

    /// Claims to become a device of the inviter's person.
    pub(crate) async fn claim_as_new_device(&mut self, key: &DeviceKey) {
        let consent = Some(key.consent(self.ticket.person));
        let claim = Claim {
            invite: self.ticket.secret().public(),
            challenge: self.challenge,
            inviter: self.inviter,
            joiner: self.joiner,
            person: None,
            consent,
            exporter: self.exporter(),
            name: "phone".to_owned(),
        };
        self.signed = claim.sign(&invite_secret(&self.ticket), key).unwrap().bytes().to_vec();
        let mut writer = Writer::new();
        writer.byte(1).byte(3).byte(JOIN).bytes(&self.signed).uint(0);
        self.say(&writer.finish()).await;
    }

    fn transcript(&self) -> [u8; 32] {
        let mut writer = Writer::new();
        writer.bytes(b"katori/join/1").raw(self.inviter.as_bytes()).raw(self.joiner.as_bytes());
        writer.raw(self.ticket.secret().public().as_bytes()).raw(&self.exporter()).bytes(&self.signed);
        blake3::derive_key("katori v1 pairing transcript", &writer.finish())
    }

    /// The message that commits the inviter to a nonce on this connection.
    pub(crate) fn commitment(&self, nonce: [u8; 32]) -> Vec<u8> {
        let input = [nonce, self.transcript()].concat();
        [&[1, 9], blake3::derive_key("katori v1 pairing commitment", &input).as_slice()].concat()
    }

    /// The digits of this connection, as the description of the protocol says.
    pub(crate) fn digits(&self, inviter: &[u8], joiner: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key("katori v1 pairing digits");
        hasher.update(&self.transcript()).update(inviter).update(joiner);
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_be_bytes(bytes) % 1_000_000
    }
}

/// A claim with the roster of the device that makes it.
pub(crate) fn claim_message(intent: u8, claim: Claim, ticket: &Ticket, device: &Device) -> Vec<u8> {
    let signed = claim.sign(&invite_secret(ticket), &device.identity.key).unwrap();
    let mut writer = Writer::new();
    writer.byte(1).byte(3).byte(intent).bytes(signed.bytes()).list(&device.roster, |writer, record| {
        writer.bytes(record.bytes());
    });
    writer.finish()
}

/// A message with fields that are bytes as they are.
pub(crate) fn message(kind: u8, fields: &[u8]) -> Vec<u8> {
    [&[1, kind], fields].concat()
}
