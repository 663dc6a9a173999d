"""What the pages say, in the languages that they speak."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

LANGUAGES = ("en", "zh")

_WORDS: dict[str, tuple[str, str]] = {
    "approve": ("Approve", "同意"),
    "refuse": ("Refuse", "拒绝"),
    "send": ("Send", "提交"),
    "save": ("Save", "保存"),
    "next": ("Continue", "下一步"),
    "back": ("Back", "上一步"),
    "choice": ("Your choice", "您的选择"),
    "comment": ("Comment", "备注"),
    "your_reply": ("Your reply", "您的回复"),
    "optional": ("optional", "选填"),
    "needed_to_refuse": ("needed if you refuse", "拒绝时必填"),
    "choose": ("Please choose", "请选择"),
    "files": ("Attachments", "附件"),
    "kept": (
        "A file has been sent already; choose another one only to replace it.",
        "已上传文件；如需替换，请重新选择。",
    ),
    "answer_as": ("You answer as {who}.", "您以 {who} 的身份回答。"),
    "answer_once": ("This link works once.", "此链接只能使用一次。"),
    "answer_by": ("Answer by {time}", "请在 {time} 之前回答"),
    "votes": ("{count} of {needed} approvals so far.", "已有 {count}/{needed} 人同意。"),
    "step": ("Step {step} of {steps}", "第 {step} 步，共 {steps} 步"),
    "fix_one": ("Please correct one thing", "有一处需要更正"),
    "fix_many": ("Please correct {count} things", "有 {count} 处需要更正"),
    "answered": ("Thank you", "谢谢"),
    "answered_text": ("Your answer is recorded. You can close this page.", "您的回答已记录，可以关闭此页面。"),
    "answered_at": ("Answered on {time}", "回答时间：{time}"),
    "you_approved": ("You approved", "您已同意"),
    "you_refused": ("You refused", "您已拒绝"),
    "you_chose": ("You chose “{choice}”", "您选择了“{choice}”"),
    "others": ("Already decided", "已有结果"),
    "others_text": (
        "Others have answered in the meantime, so your answer is no longer needed.",
        "其他人已经作出回答，不再需要您的回答。",
    ),
    "expired": ("Too late", "已过期"),
    "expired_text": ("The time for an answer is over.", "回答的时限已过。"),
    "canceled": ("No longer needed", "不再需要"),
    "canceled_text": (
        "The process that asked has ended or gone on without an answer. There is nothing left to do.",
        "提出请求的流程已结束或已继续，无需再做任何操作。",
    ),
    "link_expired": ("This link has expired", "链接已失效"),
    "link_expired_text": (
        "Ask whoever sent it to you for a new one, or answer in the inbox of the app.",
        "请向发送者索取新的链接，或在应用的收件箱中回答。",
    ),
    "unknown": ("This link does not work", "链接无效"),
    "unknown_text": (
        "Perhaps it was cut off on the way: open it again from the message that you got, or copy all of it.",
        "链接可能不完整：请从收到的消息中重新打开，或完整复制链接。",
    ),
    "foreign": ("Please open the page itself", "请直接打开此页面"),
    "foreign_text": (
        "This answer came from another site, so it was not taken. Open your link and answer there.",
        "该回答来自其他网站，因此未被接受。请打开您的链接并在页面上回答。",
    ),
    "trouble": ("That did not work", "操作未成功"),
    "trouble_text": (
        "The server could not take your answer just now. Nothing is lost: go back and try again in a moment.",
        "服务器暂时无法接收您的回答。请返回，稍后重试。",
    ),
    "too_large": ("That is too much", "内容过大"),
    "too_large_text": (
        "The files together are larger than this server takes. Go back and send smaller ones.",
        "文件总大小超出服务器限制。请返回并上传较小的文件。",
    ),
    "error.required": ("This is needed.", "此项必填。"),
    "error.format.email": ("This is not an e-mail address.", "电子邮件地址无效。"),
    "error.format.uri": ("This is not a web address; it begins with https://", "网址无效，应以 https:// 开头。"),
    "error.format.date": ("This is not a date.", "日期无效。"),
    "error.format": ("This is not written as it should be.", "格式不正确。"),
    "error.pattern": ("This is not written as it should be.", "格式不正确。"),
    "error.type.integer": ("Give a whole number.", "请输入整数。"),
    "error.type.number": ("Give a number.", "请输入数字。"),
    "error.type": ("This is of another kind than it should be.", "类型不正确。"),
    "error.minimum": ("This must be {limit} or more.", "不能小于 {limit}。"),
    "error.maximum": ("This must be {limit} or less.", "不能大于 {limit}。"),
    "error.exclusiveMinimum": ("This must be more than {limit}.", "必须大于 {limit}。"),
    "error.exclusiveMaximum": ("This must be less than {limit}.", "必须小于 {limit}。"),
    "error.minLength": ("Write at least {limit} characters.", "至少输入 {limit} 个字符。"),
    "error.maxLength": ("Write at most {limit} characters.", "最多输入 {limit} 个字符。"),
    "error.minItems": ("Choose at least {limit}.", "至少选择 {limit} 项。"),
    "error.maxItems": ("Choose at most {limit}.", "最多选择 {limit} 项。"),
    "error.enum": ("Choose one of those listed.", "请选择列表中的一项。"),
    "error.const": ("This has to be ticked.", "必须勾选此项。"),
    "error.json": ("This is not JSON: {message}", "不是有效的 JSON：{message}"),
    "sent": ("Thank you", "谢谢"),
    "sent_text": ("What you sent has arrived. You can close this page.", "您的内容已提交，可以关闭此页面。"),
    "closed_form": ("This form is closed", "此表单已关闭"),
    "closed_form_text": ("It takes no answers at the moment.", "目前不接收提交。"),
    "no_page": ("There is nothing here", "页面不存在"),
    "no_page_text": ("The address may have changed, or it was mistyped.", "地址可能已更改或输入有误。"),
    "chat_placeholder": ("Write a message", "输入消息"),
    "chat_send": ("Send", "发送"),
    "chat_you": ("You", "您"),
    "chat_typing": ("Writing …", "正在输入……"),
    "chat_failed": ("That did not work. Try again.", "出错了，请重试。"),
    "chat_new": ("New chat", "新对话"),
}


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._at = LANGUAGES.index(language)

    @property
    def html_lang(self) -> str:
        return "zh-Hans" if self.language == "zh" else "en"

    def __call__(self, key: str, **values: object) -> str:
        return _WORDS[key][self._at].format(**values)

    def has(self, key: str) -> bool:
        return key in _WORDS

    def time(self, ms: int) -> str:
        """A moment as people read it, in UTC: the page does not know where its reader is."""
        at = datetime.fromtimestamp(ms / 1000, UTC)
        if self.language == "zh":
            return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M} UTC"
        return f"{at.day} {at:%B %Y, %H:%M} UTC"


def negotiate(headers: Mapping[str, str]) -> Words:
    """The reader's language among ours, by Accept-Language; English when none fits."""
    best, most = "en", 0.0
    for part in headers.get("accept-language", "").split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters.strip().startswith("q=") else 1.0
        except ValueError:
            weight = 0.0
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return Words(best)
