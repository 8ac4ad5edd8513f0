// What a chat's reactions do in the browser: the page shows what is recorded.
// Gradio shows a press before anybody heard of it, so each answer of the server sets what is shown.

// What is known of each chat, by its id: the options that are recorded, by the place of the reply;
// from which message on the conversation is how old; whose turn it is.
const chats = (window.flagstoneChats ??= {});
const chatOf = (id) =>
  (chats[id] ??= { shown: [], began: [[0, 0]], turn: Promise.resolve(), receipts: {} });

const MAX_RECEIPTS = 500;
const MAX_REPLIES = 1_000;
const PATIENCE = 60_000;
const TO_SETTLE = 5_000;
const TO_BE_SHOWN = 40; // milliseconds in which Gradio has taken in an update

// Receipts are those of the browser, so that other tabs, and this page loaded again, have them.
const storageOf = (id) => `flagstone-receipts ${location.pathname} ${id}`;

const readReceipts = (id) => {
  try {
    return JSON.parse(localStorage.getItem(storageOf(id))) ?? {};
  } catch {
    return chatOf(id).receipts; // a page that may store nothing
  }
};

const writeReceipt = (id, { dropped, key, flag, at }) => {
  if (!dropped) return;
  const receipts = readReceipts(id);
  for (const each of [key, ...dropped]) delete receipts[each];
  if (flag) receipts[key] = [flag, at];
  const latest = Object.fromEntries(Object.entries(receipts).slice(-MAX_RECEIPTS));
  chatOf(id).receipts = latest;
  try {
    localStorage.setItem(storageOf(id), JSON.stringify(latest));
  } catch {}
};

// The server is asked in the order of the presses, one at a time: each finds what was before it.
const takeTurn = async (chat) => {
  const before = chat.turn;
  let done;
  chat.turn = new Promise((resolve) => (done = resolve));
  await before;
  const timer = setTimeout(done, PATIENCE); // where no answer ever comes
  chat.isTold = new Promise((resolve) => (chat.isToldNow = resolve));
  chat.endTurn = () => {
    clearTimeout(timer);
    done();
  };
};

// The inputs of a call, with what the page tells of itself at `position`.
const telling = async (id, values, position, isAnother = false) => {
  const chat = chatOf(id);
  const at = Date.now();
  if (isAnother) chat.began = [[0, 0]];
  const { began } = chat;
  await takeTurn(chat);
  chat.asked = began;
  const told = JSON.stringify({ receipts: readReceipts(id), began, at });
  return values.map((value, n) => (n === position ? told : value));
};

// Whether the page shows another conversation than when the server was asked.
const isGone = (chat) => chat.asked !== chat.began;

// Gradio looks at a value only when it is another one; these are none of the options.
const unknown = () => Array.from({ length: MAX_REPLIES }, () => []);
const feedback = (values) => update({ feedback_value: values });
const hide = update({ visible: false });

// Updates for the notice, the box, its message, the button that opens the box again, the comment,
// the expected reply and the chatbot, after a press.
const reacted = (id, text) => {
  const chat = chatOf(id);
  const answer = JSON.parse(text);
  const { place, width, option, asked, notice, opens, taken } = answer;
  const gone = isGone(chat);
  writeReceipt(id, answer);
  chat.isToldNow?.();
  const isRepeat = answer.idle && chat.taken === answer.key; // Gradio tells of some presses twice
  if (!answer.idle) chat.taken = taken ? answer.key : null;
  if (!gone && width) {
    for (let n = chat.shown.length; n < place; n += 1) chat.shown[n] = null;
    for (let n = 0; n < width; n += 1) chat.shown[place + n] = option;
  }
  const isOpened = opens !== null && !gone;
  const isClosed = taken && chat.about === answer.key;
  if (isOpened) chat.about = answer.key;
  return [
    gone || isRepeat || notice === null ? update({}) : update({ value: notice, visible: true }),
    isOpened ? update({ visible: true }) : isClosed ? hide : update({}),
    isOpened ? hide : update({}),
    isOpened || isClosed ? hide : update({}),
    isOpened ? update({ value: "" }) : update({}),
    isOpened ? update({ value: opens }) : update({}),
    feedback(option === asked && width ? [...chat.shown] : unknown()),
  ];
};

// What the page shows is what is recorded, as soon as it has taken in what came before; then the
// next press may come.
const settled = async (id) => {
  const chat = chatOf(id);
  await chat.isTold;
  await new Promise((resolve) => setTimeout(resolve, TO_BE_SHOWN));
  chat.endTurn?.();
  return feedback([...chat.shown]);
};

// Updates for the notice and the chatbot where the server cannot be reached.
const lost = (id, notice) => {
  chatOf(id).isToldNow?.();
  return [update({ value: notice, visible: true }), feedback(unknown())];
};

// Updates for the notice, the box, its message and the button that opens the box again.
const said = (id, text) => {
  const chat = chatOf(id);
  const answer = JSON.parse(text);
  chat.endTurn?.();
  if (answer.refusal) {
    return [update({}), update({}), update({ value: answer.refusal, visible: true }), update({})];
  }
  if (answer.flag) writeReceipt(id, { at: Date.now(), ...answer });
  const again = isGone(chat) ? hide : update({ value: "Edit comment", visible: true });
  const notice = answer.notice === null || isGone(chat) ? update({}) : update({ value: answer.notice });
  return [notice, hide, hide, again];
};

const closed = () => [hide, update({ value: "Comment", visible: true })];
const opened = () => [update({ visible: true }), hide];

// Updates for the chatbot: another conversation, or the same one as the server knows it.
const shown = (id, text) => {
  const chat = chatOf(id);
  const answer = JSON.parse(text);
  chat.endTurn?.();
  if (!isGone(chat)) chat.shown = answer.shown;
  if (answer.another) {
    chat.began = [[0, 0], [answer.length, Date.now()]];
    chat.settlesUntil = Date.now() + TO_SETTLE;
  }
  return feedback([...chat.shown]);
};

// The same, where Gradio has reset it when it came to show the conversation.
const shownAgain = (id) => {
  const chat = chatOf(id);
  return Date.now() < (chat.settlesUntil ?? 0) ? feedback([...chat.shown]) : update({});
};

// Updates for the notice, the box, the button that opens it again and the chatbot: what comes after
// the first messages begins anew.
const shortened = (id, text) => {
  const chat = chatOf(id);
  const answer = JSON.parse(text);
  chat.endTurn?.();
  chat.shown = chat.shown.slice(0, answer.replies);
  const earlier = chat.began.filter(([place]) => place < answer.place);
  chat.began = [...earlier, [answer.place, Date.now()]];
  return [hide, hide, hide, feedback([...chat.shown])];
};

const emptied = (id) => {
  const chat = chatOf(id);
  Object.assign(chat, { shown: [], began: [[0, Date.now()]] });
  return [hide, hide, hide, feedback([])];
};
