// The reactions of a chat in the browser: the page shows what is recorded.
// Gradio shows a press before the server handles it, so each server answer resets what is shown.

// State of each chat, by id. `shown`: recorded options by reaction index. `began`: pairs (message
// position, start time). `turn`: resolves when the next call may start. `receipts`: a fallback
// for localStorage.
const chats = (window.flagstoneChats ??= {});
const chatOf = (id) =>
  (chats[id] ??= { shown: [], began: [[0, 0]], turn: Promise.resolve(), receipts: {} });

const MAX_RECEIPTS = 500;
const MAX_REPLIES = 1_000;
const PATIENCE = 60_000;
const TO_SETTLE = 5_000;
const TO_BE_SHOWN = 40; // milliseconds that Gradio needs to apply an update

// Receipts are stored in the browser, so that other tabs and a reloaded page have them.
const storageOf = (id) => `flagstone-receipts ${location.pathname} ${id}`;

const readReceipts = (id) => {
  try {
    return JSON.parse(localStorage.getItem(storageOf(id))) ?? {};
  } catch {
    return chatOf(id).receipts; // localStorage is not available
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

// Calls to the server run one at a time, in the order of the presses.
const takeTurn = async (chat) => {
  const before = chat.turn;
  let done;
  chat.turn = new Promise((resolve) => (done = resolve));
  await before;
  const timer = setTimeout(done, PATIENCE); // if no answer arrives
  chat.isTold = new Promise((resolve) => (chat.isToldNow = resolve));
  chat.endTurn = () => {
    clearTimeout(timer);
    done();
  };
};

// Returns the inputs of a call, with the state of the page at `position`.
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

// Whether the page shows another conversation than when the server was called.
const isGone = (chat) => chat.asked !== chat.began;

// Gradio applies a value only if it differs from the last one; this one matches no option.
const unknown = () => Array.from({ length: MAX_REPLIES }, () => []);
const feedback = (values) => update({ feedback_value: values });
const hide = update({ visible: false });

// Returns updates for the notice, the box, its message, the button that reopens the box, the
// comment, the expected reply and the chatbot, after a press.
const reacted = (id, text) => {
  const chat = chatOf(id);
  const answer = JSON.parse(text);
  const { place, width, option, asked, notice, opens, taken } = answer;
  const gone = isGone(chat);
  writeReceipt(id, answer);
  chat.isToldNow?.();
  const isRepeat = answer.idle && chat.taken === answer.key; // Gradio sends some presses twice
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

// Shows the recorded reactions once the page has applied the previous update; then starts the next
// call.
const settled = async (id) => {
  const chat = chatOf(id);
  await chat.isTold;
  await new Promise((resolve) => setTimeout(resolve, TO_BE_SHOWN));
  chat.endTurn?.();
  return feedback([...chat.shown]);
};

// Returns updates for the notice and the chatbot if the server cannot be reached.
const lost = (id, notice) => {
  chatOf(id).isToldNow?.();
  return [update({ value: notice, visible: true }), feedback(unknown())];
};

// Returns updates for the notice, the box, its message and the button that reopens the box.
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

// Returns the update for the chatbot: the recorded reactions of its conversation.
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

// Shows the reactions again after Gradio has reset them while loading a conversation.
const shownAgain = (id) => {
  const chat = chatOf(id);
  return Date.now() < (chat.settlesUntil ?? 0) ? feedback([...chat.shown]) : update({});
};

// Returns updates for the notice, the box, the button that reopens it and the chatbot: the messages
// after the first ones are replaced.
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
