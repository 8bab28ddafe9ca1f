"""What file names, keyword stuffing and placeholders look like: the patterns of the rules in text_rules.

Patterns are RE2's (linear in the text, whatever it holds); `\\b` of RE2 knows only ASCII words. Phrases are those that
alternative texts have; a language that is missing here is judged by the other rules alone.
"""

from __future__ import annotations

from itertools import product

IMAGE_ENDING = r"\.(?:jpe?g|jfif|png|gif|webp|bmp|tiff?|svgz?|avif|heic|heif|ico|psd|cr2|nef|dng)"

_CAMERA = (
    r"(?:img|dsc|dscn|dscf|dscn|p|pict|pic|mvi|mov|gopr|gp|dji|pxl|wp|sam|vid|imag|cimg|hpim|kif|stp|stb|sdc|rimg|fb_img|"
    r"image|photo|foto|bild|received|whatsapp image)"
)
_SCREEN = (
    r"(?:screen[ _-]?shot|screen[ _-]?capture|bildschirmfoto|capture d['’]?[ _]?[ée]cran|"
    r"captura de (?:pantalla|tela|ecr[ãa])|schermafbeelding|schermata|skärmavbild|снимок экрана|скриншот|"
    r"スクリーンショット|截屏|截图|屏幕快照|螢幕截圖|스크린샷)"
)
_STAMP = r"(?:19|20)\d\d[-_. ]?[01]\d[-_. ]?[0-3]\d"

# The whole text, but for white space around it.
_NAMES = (
    rf"{_CAMERA}[_ -]{{0,2}}(?:\d{{3,}}|{_STAMP})(?:[-_ ~.(]{{0,2}}[0-9a-z]{{1,12}}\)?){{0,6}}",  # IMG_1234, DSC00012
    rf"{_SCREEN}[^\pL]*(?:(?:at|um|a las|à|às|alle|om|kl)[^\pL]*(?:[ap]\.?m\.?)?[^\pL]*)?",  # Screenshot 2020-01-02
    rf"{_STAMP}[-_ T]{{1,3}}\d\d[-.:_]?\d\d(?:[-.:_]?\d\d)?(?:[-_. ]\w{{1,8}}){{0,2}}",  # 2019-04-05 12.34.56
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?:[-_][0-9a-z]{1,12}){0,3}",  # a UUID
    r"(?:[0-9a-z]{1,8}[-_])?[0-9a-f]{16,}(?:[-_][0-9a-z]{1,12}){0,3}",  # a hash in hexadecimal
    r"\d+(?:[_x-]\d+)+(?:_[a-z]{1,2})?|\d{7,}(?:_[a-z]{1,2})?",  # 12345_67890_n, 20190405_123456
    r"[a-z0-9][a-z0-9.~()-]*(?:_+[a-z0-9.~()-]+){2,}",  # red_dress_front, one word of three parts or more
    r"[a-z0-9]*[0-9][a-z0-9]*_+[a-z0-9]+|[a-z0-9]+_+[a-z0-9]*[0-9][a-z0-9]*",  # hero2_large, slide_03
    r"[a-z0-9]+(?:-+[a-z0-9]+){4,}",  # red-dress-front-view-large
    r"(?:[a-z]+-+){2,}[a-z]*[0-9]+[a-z0-9]*(?:-+[a-z0-9]+)*",  # red-dress-04
)
FILE_NAME = rf"(?i)^\s*(?:{'|'.join(_NAMES)})\s*$"
FILE_ENDING = rf"(?i)[\pL\pN_)\]~-]{IMAGE_ENDING}\s*$"

_SOLD = (
    r"\bbuy\b.{0,60}\bonline\b",
    r"\bfree (?:shipping|delivery|download|returns|postage)\b",
    r"\bclick (?:here|to|on|for|image|photo|picture)\b",
    r"\broyalty[- ]free\b",
    r"\bstock (?:photos?|photography|images?|pictures?|vectors?|illustrations?|footage|art)\b",
    r"\b(?:best|low(?:est)?|cheap(?:est)?|great|discount(?:ed)?|sale|wholesale|factory) prices?\b",
    r"\bfor sale\b|\b(?:on|big|hot|clearance|flash) sale\b|\bwholesale\b",
    r"\b(?:shop|buy|order|book) now\b|\border online\b|\bshop online\b|\badd to (?:cart|basket|bag)\b|\bin stock\b",
    r"\bcoupons?\b|\b(?:promo|discount|voucher) codes?\b|\d ?% (?:off|discount|rabatt|korting|de descuento)\b",
    r"[$€£¥₹₽₩]\s?\d|\d\s?[€£₽]|\b(?:usd|eur|gbp|us\$)\s?\d|\d\s?(?:usd|eur|gbp|euros?|dollars?)\b",
    r"versandkostenfrei|kostenloser versand|\b(?:online|günstig|jetzt) kaufen\b",
    r"livraison gratuite|acheter en ligne|\bpas cher\b",
    r"envío gratis|comprar (?:online|en línea)|frete grátis|spedizione gratuita|acquista online|gratis verzending",
    r"бесплатн\pL+ доставк|\bкупить\b|купить |包邮|免费送货|送料無料|무료 ?배송",
)
SOLD = f"(?i){'|'.join(_SOLD)}"

SEPARATORS = ",|;•·»،、，；｜"
DASHES = ("-", "–", "—", "/", ">", "::", "~", "*")  # where they stand as words of their own

# What is left of a text once all but letters is gone, in lower case.
_NOUNS = (
    "image images img imgs picture pictures pic pics photo photos photograph photography logo logos icon icons "
    "thumbnail thumb thumbs banner avatar placeholder graphic illustration artwork screenshot slide slideshow "
    "gallery cover header background figure fig file attachment media preview poster"
).split()
_KINDS = (
    "featured main product article post blog news profile user member company site website brand team hero header "
    "footer default thumbnail cover background banner slide slider gallery related sample dummy generic author "
    "social first second third next previous loading lazy my the a an this no missing image photo page event item "
    "category preview full small large big alt blank empty placeholder untitled new old test temp feature team "
    "staff portfolio desktop mobile"
).split()
_PHRASES = """
untitled|unnamed|no title|no name|null|nil|undefined|none|nan|n a|na|tbd|todo|default|blank|empty|spacer|pixel
transparent
test|dummy|sample|example|alt|alt text|alt tag|alt text here|alternative text|alternate text|caption|description
title|text
image alt|image alt text|image description|image title|image caption|insert alt text|your alt text here|object|loading
no image available|no photo available|no picture available|image not available|photo not available|picture not available
image unavailable|photo unavailable|image not found|image coming soon|photo coming soon|picture coming soon
coming soon
click to enlarge|click here to enlarge|click to view|click for larger image|click image to enlarge|view larger image
enlarge|zoom|view image|open image|show image|image placeholder|placeholder image|lorem ipsum|image of|photo of
picture of
bild|bilder|foto|fotos|grafik|platzhalter|platzhalterbild|kein bild|kein bild vorhanden|kein foto|ohne titel|unbenannt
vorschaubild|titelbild|beitragsbild|produktbild|abbildung|symbol|symbolbild|profilbild
illustration|sans titre|vignette|icône|image par défaut|pas d image|aucune image|photo de profil|image à la une
imagen|imágenes|imagen destacada|sin título|sin imagen|sin foto|miniatura|icono|logotipo|imagen no disponible
imagem|imagens|imagem destacada|sem título|sem imagem|sem foto|ícone
immagine|immagini|senza titolo|nessuna immagine|icona|anteprima|copertina
afbeelding|afbeeldingen|plaatje|geen afbeelding|naamloos|zonder titel|uitgelichte afbeelding
zdjęcie|zdjęcia|obraz|obrazek|brak zdjęcia|brak obrazka|bez tytułu|ikona|obrázek|obrázky|fotka|fotografie|bez názvu
billede|billeder|bilde|bilder|kuva|kuvat|kép|képek|imagine|imagini|poză|fără titlu|slika|fotografija
resim|görsel|fotoğraf|başlıksız|resim yok|adsız
изображение|изображения|картинка|картинки|фото|фотография|фотографии|логотип|иконка|рисунок|без названия|нет фото
нет изображения|зображення|світлина|снимка|слика|εικόνα|φωτογραφία|λογότυπο
صورة|صور|شعار|بدون عنوان|تصویر|عکس|لوگو|תמונה|תמונות|לוגו|तस्वीर|चित्र|छवि|फोटो|ছবি
รูปภาพ|ภาพ|รูป|โลโก้|hình ảnh|ảnh|hình|không có ảnh|gambar|tanpa judul
画像|写真|図|イメージ|ロゴ|アイコン|無題|サムネイル|画像なし|イラスト|ダミー
图片|圖片|照片|图像|圖像|图|圖|图标|圖示|标志|無標題|无标题|默认|默认图片|缩略图|暂无图片|封面|头像
이미지|사진|그림|로고|아이콘|제목 없음|썸네일
"""
PLACEHOLDERS = frozenset(
    [
        *_NOUNS,
        *(f"{kind} {noun}" for kind, noun in product(_KINDS, _NOUNS)),
        *(phrase for line in _PHRASES.strip().splitlines() for phrase in line.split("|")),
    ]
)
LONGEST_PLACEHOLDER = 60  # characters of a text that may be one, digits and signs included
