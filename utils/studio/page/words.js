// Words as their numbers, as the encoder of texts was trained on them (`utils/text_encoder.py`).

// A text -> Float32Array (most,): numbers from 1 in the order of the vocabulary, 0 before the first word.
export function wordNumbers(text, vocabulary, most) {
  const words = text.toLowerCase().replaceAll("’", "'").match(/[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu) ?? [];
  if (!words.length) throw new Error(`A text needs at least one word. Received: '${text}'.`);
  const unknown = [...new Set(words.filter((word) => !vocabulary.includes(word)))];
  if (unknown.length) throw new Error(`The model has learnt no word ${unknown.map((word) => `'${word}'`).join(", ")}: put '${text}' in words that it knows. It knows ${vocabulary.join(", ")}.`);
  if (words.length > most) throw new Error(`A text may have at most ${most} words. Received: ${words.length}.`);
  const numbers = new Float32Array(most);
  words.forEach((word, i) => { numbers[most - words.length + i] = vocabulary.indexOf(word) + 1; });
  return numbers;
}
