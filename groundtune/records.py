"""The rows of every artifact kind: one Arrow schema a kind. `docs/reference/artifacts.md` explains each column."""

import pyarrow as pa

SCHEMA_VERSION = 4

_tokens = pa.list_(pa.int32())
_logprobs = pa.list_(pa.float32())

PROMPTS = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.string()),  # relative to the data root, an s3:// URI, or attached:<file of this artifact>
        ("image_sha256", pa.string()),
        ("image_width", pa.int32()),
        ("image_height", pa.int32()),
        ("instruction", pa.string()),
        ("reference_answer", pa.string()),  # "" when the user gave none
        ("chosen", pa.string()),  # the user's own preference, "" when the row brings none
        ("rejected", pa.string()),
        ("tags", pa.list_(pa.string())),
    ]
)

CANDIDATES = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("candidate_id", pa.string()),  # "<prompt id>#<k of its first sample>", or #chosen, #rejected
        ("text", pa.string()),
        ("token_ids", _tokens),  # ends with the end-of-sequence token when `finished`
        ("finished", pa.bool_()),  # False: cut at max_new_tokens
        ("multiplicity", pa.int32()),  # how many of the K samples said exactly this: a vote; 0: given by the user
        ("engine", pa.string()),
    ]
)

ALIGNMENT = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("candidate_id", pa.string()),
        ("sentences", pa.list_(pa.string())),
        ("scorer", pa.string()),
        ("sentence_scores", pa.list_(pa.float32())),  # raw, on the scorer's own scale, a number a sentence
        ("raw_mean", pa.float32()),
        ("raw_min", pa.float32()),
    ]
)

CONFIDENCE = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("candidate_id", pa.string()),
        ("token_logprobs", _logprobs),  # nats, float32, temperature 1, under the model that sampled
        ("logprob_sum", pa.float32()),
        ("confidence", pa.float32()),  # mean over tokens
        ("pool_entropy", pa.float32()),  # nats, of the prompt's pool; null when fewer than two answers were sampled
        ("image_sha256", pa.string()),  # of the image that the model saw
        ("reference_key", pa.string()),  # digest of all that determines these numbers, candidates/reference_key.py
    ]
)

SCORES = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("candidate_id", pa.string()),
        ("text", pa.string()),
        ("token_ids", _tokens),
        ("multiplicity", pa.int32()),
        ("finished", pa.bool_()),
        ("mas", pa.float32()),  # [0, 1]
        ("scorers", pa.map_(pa.string(), pa.float32())),  # each scorer's calibrated value
        ("worst_sentence", pa.string()),  # the sentence that MAS likes least
        ("confidence", pa.float32()),
        ("pool_entropy", pa.float32()),
    ]
)

PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("prompt_id", pa.string()),
        ("chosen_id", pa.string()),
        ("rejected_id", pa.string()),
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("chosen_tokens", _tokens),
        ("rejected_tokens", _tokens),
        ("chosen_mas", pa.float32()),
        ("rejected_mas", pa.float32()),
        ("chosen_confidence", pa.float32()),  # mean log-prob, nats
        ("rejected_confidence", pa.float32()),
        ("chosen_m3p", pa.float32()),  # M3P+ of the chosen
        ("rejected_m3p", pa.float32()),  # M3P- of the rejected
        ("hardness", pa.float32()),  # gap~ + mu * c~(rejected): the ranking of prompts
        ("pool_entropy", pa.float32()),
        ("worst_sentence", pa.string()),  # of the rejected answer
        ("curriculum_stage", pa.int32()),  # 1 is the easiest
        ("weight", pa.float32()),
    ]
)

_keyword = pa.struct(
    [
        ("phrase", pa.string()),
        ("weight", pa.float32()),  # PageRank share, the keywords of one answer sum to 1
        ("score", pa.float32()),  # of the finder, [0, 1]
        ("found", pa.bool_()),
        ("box", pa.list_(pa.int32())),  # left, top, right, bottom in pixels; empty when not found
    ]
)

IMAGE_PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("prompt_id", pa.string()),
        ("keywords", pa.list_(_keyword)),
        ("mask", pa.list_(pa.int32())),  # run lengths of the corrupted pixels, row by row, clean ones first
        ("area", pa.float32()),  # share of the image that is corrupted
        ("fallback", pa.string()),  # why the whole image was corrupted instead of regions; "" when it was not
        ("corrupted", pa.string()),  # attached:<file>, PNG
        ("corrupted_sha256", pa.string()),
    ]
)

IMAGE_REFERENCE = pa.schema(
    [
        ("pair_id", pa.string()),
        ("token_logprobs", _logprobs),  # of the chosen answer given the corrupted image, nats, float32
        ("logprob_sum", pa.float32()),
        ("image_sha256", pa.string()),  # of the corrupted image
        ("reference_key", pa.string()),
    ]
)

PROBE = pa.schema(
    [
        ("probe", pa.string()),  # question, caption or pair
        ("question_id", pa.string()),  # "<benchmark>/<id>", of a pair its pair_id
        ("image", pa.string()),
        ("question", pa.string()),  # without the yes/no suffix
        ("phrase", pa.string()),  # what was asked about; of a caption its keywords, with commas
        ("region_missing", pa.string()),  # why there is no region, as image_pairs.fallback; "" with one
        ("region_area", pa.float32()),  # share of the image; null without a region
        ("answer", pa.string()),  # under the true image; "" of a pair, as the next three
        ("answer_region", pa.string()),  # under destroyed regions; "" without one
        ("answer_destroyed", pa.string()),  # under the destroyed image
        ("answer_removed", pa.string()),  # under a plain grey image
        ("p_yes", pa.float32()),  # P(yes | yes or no) under the true image; null for captions and pairs
        ("p_yes_region", pa.float32()),
        ("p_yes_destroyed", pa.float32()),
        ("p_yes_removed", pa.float32()),
        ("attention_image", pa.float32()),  # share of attention that goes to the image; of questions with a region
        ("attention_region", pa.float32()),  # attention an image token inside the region / an image token on average
        ("text_reward", pa.float32()),  # nats, without beta, of pairs under a model with an adapter
        ("image_reward", pa.float32()),
        ("image_dependence", pa.float32()),  # of the chosen answer, nats a token, of pairs
        ("image_dependence_rejected", pa.float32()),
    ]
)

ANSWERS = pa.schema(
    [
        ("benchmark", pa.string()),
        ("question_id", pa.string()),
        ("kind", pa.string()),  # yes_no, caption, open: decides how long an answer may get
        ("category", pa.string()),  # what the benchmark groups by (MME's task, AMBER's dimension), "" for nothing
        ("image", pa.string()),  # relative to the root, an s3:// URI, or attached:<file of this artifact>
        ("image_sha256", pa.string()),
        ("question", pa.string()),
        ("truth", pa.string()),  # label, or JSON
        ("answer", pa.string()),
        ("answered_by", pa.string()),  # generation, or p_yes: nothing was generated, `answer` is ""
        ("parsed", pa.string()),  # what the benchmark's parser read out of the answer
        ("p_yes", pa.float64()),  # P(yes | yes or no) in one pass; null when it was not asked for
        ("judgement", pa.string()),  # the judge's reply, "" when none was asked
        ("rating", pa.string()),  # what was read out of it, "" when nothing was judged
        ("correct", pa.bool_()),  # null when only a judge can tell and none was asked
    ]
)

COMPARISON = pa.schema(
    [
        ("method", pa.string()),  # whose answer it is, "" of the base model
        *ANSWERS,
    ]
)

JUDGEMENTS = pa.schema(
    [
        ("benchmark", pa.string()),
        ("question_id", pa.string()),
        ("image", pa.string()),
        ("question", pa.string()),
        ("order", pa.string()),  # base_first, aligned_first: whose answer the judge saw as A
        ("base_answer", pa.string()),
        ("aligned_answer", pa.string()),
        ("winner", pa.string()),  # base, aligned, tie, or "" when no verdict could be had
        ("reply", pa.string()),  # the judge's words; "" when the answers are the same, letter by letter
        ("problem", pa.string()),  # why there is no verdict
    ]
)

REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("reason", pa.string()),  # a short code, counted in the manifest
        ("detail", pa.string()),  # the sentence a person reads
    ]
)

KINDS: dict[str, pa.Schema] = {
    "prompts": PROMPTS,
    "candidates": CANDIDATES,
    "alignment": ALIGNMENT,
    "confidence": CONFIDENCE,
    "scores": SCORES,
    "pairs": PAIRS,
    "image_pairs": IMAGE_PAIRS,
    "image_reference": IMAGE_REFERENCE,
    "probe": PROBE,
    "answers": ANSWERS,
    "comparison": COMPARISON,
    "judgements": JUDGEMENTS,
}
