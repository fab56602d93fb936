"""Why a message, or one reading of it, became no reading: code → (English, Chinese)."""

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "not_decodable": (
        "the payload is not of the format of this feed",
        "报文不符合该接入源的格式",
    ),
    "too_large": ("the payload is larger than is read", "报文超过允许的大小"),
    "too_deep": ("the payload is nested deeper than is read", "报文嵌套层数过多"),
    "no_device": ("no device of that key is registered", "没有登记该编号的设备"),
    "no_stream": ("the device has no stream of that name", "设备没有该名称的数据流"),
    "no_feed": ("no feed takes messages of that topic", "没有接入源接收该主题的消息"),
    "wrong_key": (
        "the key is unknown, has ended, or is not this device's",
        "密钥未知、已终止或不属于该设备",
    ),
    "not_yours": (
        "the device neither is the sender's own nor speaks through it",
        "该设备既不是发送方本身，也不经发送方上报",
    ),
    "not_a_number": ("the stream takes numbers, and this is none", "数据流为数值型，该值不是数值"),
    "not_finite": ("the number is infinite or not a number (NaN)", "数值为无穷大或 NaN"),
    "not_a_value": ("this is neither a number, a text nor a truth", "该值不是数值、文本或布尔值"),
    "not_a_time": ("the time cannot be read", "时间无法识别"),
    "too_old": ("older than raw readings are kept", "早于原始读数的保留期限"),
    "ahead": ("more than five minutes ahead of our clock", "比本系统时钟快五分钟以上"),
    "wrong_unit": (
        "the unit is unknown, or measures something else than the stream",
        "计量单位未知，或与数据流的量纲不符",
    ),
    "differs": (
        "another value of the same stream and time is there already",
        "同一数据流同一时间已有不同的值",
    ),
    "biometric": ("faces, plates and voices are not taken", "不接收人脸、车牌和声纹数据"),
    "personal": (
        "names of people, and their telephone, document and card numbers, are not taken",
        "不接收姓名、电话、证件号码、卡号等个人信息",
    ),
    "no_codec": (
        "the payload is bytes, and the feed has no codec for this kind of device",
        "报文为二进制，接入源没有该类设备的编解码器",
    ),
    "codec": ("the device's codec does not read the payload", "设备编解码器无法解读该报文"),
    "refused": ("the database refused the row", "数据库拒绝写入该记录"),
    "flood": ("more messages than one sender may send", "发送方消息过多"),
    "lost_before": (
        "messages before this one are missing, and it cannot be read without them",
        "缺少之前的消息，无法解读该消息",
    ),
}
"""Decoders, the ingester and whoever lists dead letters speak of the same ones."""


def sentence(code: str) -> tuple[str, str]:
    """The reason in English and in Chinese; an unknown code is its own reason.

    >>> sentence("ahead")[0]
    'more than five minutes ahead of our clock'
    """
    return REASONS.get(code, (code, code))
