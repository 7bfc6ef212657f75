// Sends the form for the person who followed the link; a page that is only being prepared ahead waits.
const send = () => document.getElementById("signin").requestSubmit();
if (document.prerendering) {
  document.addEventListener("prerenderingchange", send, { once: true });
} else {
  send();
}
