"""Ordinary things that a phrase is compared with: a phrase is in a place where it fits better than most of these."""

REFERENCE_PHRASES: tuple[str, ...] = (
    # beings
    "person", "man", "woman", "child", "face", "hand", "dog", "cat", "bird", "horse", "cow", "sheep", "fish", "bear",
    "elephant", "insect",
    # traffic and buildings
    "car", "bus", "truck", "train", "bicycle", "motorcycle", "boat", "airplane", "road", "street", "sidewalk", "sign",
    "traffic light", "building", "house", "tower", "bridge", "fence", "roof", "window", "door", "stairs",
    # rooms
    "wall", "floor", "ceiling", "table", "chair", "sofa", "bed", "desk", "shelf", "cabinet", "lamp", "mirror",
    "picture", "curtain", "carpet", "pillow", "blanket", "sink", "toilet", "bathtub", "oven", "refrigerator",
    # small things
    "cup", "glass", "bottle", "plate", "bowl", "fork", "knife", "spoon", "pan", "book", "paper", "pen", "box", "bag",
    "backpack", "umbrella", "clock", "vase", "candle", "key", "coin", "toy", "doll", "ball", "kite", "racket",
    "skateboard", "guitar", "phone", "laptop", "keyboard", "screen", "camera", "television", "rope", "tool", "wheel",
    "machine",
    # clothes
    "hat", "shirt", "jacket", "trousers", "dress", "shoe", "glasses", "watch",
    # food
    "apple", "banana", "orange", "pear", "lemon", "grape", "carrot", "tomato", "bread", "cake", "pizza", "sandwich",
    "meat", "cheese", "egg", "rice", "salad", "coffee",
    # outdoors
    "sky", "cloud", "sun", "mountain", "hill", "tree", "leaf", "flower", "grass", "bush", "forest", "field", "garden",
    "sea", "river", "lake", "beach", "sand", "snow", "rock", "soil", "smoke", "fire", "shadow",
    # what is not a thing
    "background", "surface", "pattern", "text", "light", "empty space",
)  # fmt: skip
