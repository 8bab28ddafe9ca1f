"""Names by which robots.txt addresses crawlers that gather for AI.

    TRAINING["gptbot"]        "GPTBot": what it fetches may train models; a refusal of it speaks of what we do too
    ANSWERING["chatgpt-user"] "ChatGPT-User": fetches for one person's question, or for a search with answers

Which is which follows what the operators say of them, and where they say nothing, the lists of site owners that refuse
them beside the others. A name that serves both counts as training. Search engines' own crawlers (Googlebot, Bingbot,
Applebot) are in neither: to refuse them is no word about AI.
"""

from __future__ import annotations

AI_TOKENS = (
    "GPTBot", "CCBot", "ClaudeBot", "anthropic-ai", "Claude-Web", "Google-Extended", "Applebot-Extended", "Bytespider",
    "FacebookBot", "meta-externalagent", "Amazonbot", "cohere-ai", "cohere-training-data-crawler", "AI2Bot",
    "Ai2Bot-Dolma", "DeepSeekBot", "PanguBot", "ChatGLM-Spider", "YandexAdditional", "SBIntuitionsBot", "Cotoyogi",
    "ICC-Crawler", "Diffbot", "omgili", "omgilibot", "Webzio-Extended", "Timpibot", "VelenPublicWebCrawler",
    "ImagesiftBot", "img2dataset", "laion-huggingface-processor", "LAIONDownloader", "FriendlyCrawler", "Spawning-AI",
)  # fmt: skip
ANSWER_TOKENS = (
    "ChatGPT-User", "OAI-SearchBot", "Claude-User", "Claude-SearchBot", "PerplexityBot", "Perplexity-User",
    "meta-externalfetcher", "MistralAI-User", "DuckAssistBot", "Amzn-User", "YouBot",
)  # fmt: skip

# By lower-case name.
TRAINING = {token.lower(): token for token in AI_TOKENS}
ANSWERING = {token.lower(): token for token in ANSWER_TOKENS}
