"""The texts of the page, in each supported language."""

import re

TEXTS = {
    "en": {
        "title": "Recognise",
        "lead": "Which fruit does a photo show?",
        "what": "Show me a photo: I name the fruit, say how sure I am, and show the most similar "
        "photos that I learnt from.",
        "samples_title": "No photo at hand? Try one of these.",
        "sample": "Sample photo",
        "choose": "Choose a photo",
        "take": "Take a photo",
        "drop": "or drop one here",
        "private": "Photos are looked at and forgotten: none is stored.",
        "classifier": "Classifier",
        "mine": "my own",
        "team": "the team's",
        "samples": "of the samples",
        "none_title": "I have not learnt any fruit yet",
        "none": "Run pipeline.ipynb and then train.ipynb on your server, which takes a few "
        "minutes; then load this page again.",
        "open": "Open the notebooks",
        "trouble_title": "Not available right now",
        "server": "My server",
        "working": "Looking at it …",
        "unsure": "Not sure",
        "unfamiliar": "It is unlike what I learnt from. Nearest comes:",
        "undecided": "Too close to call. Perhaps:",
        "others": "What else it could be",
        "all": "What it could be",
        "nearest": "The most alike of the photos that I learnt from",
        "broken": "That file can't be read as a photo. Try another one.",
        "large": "That photo is too large: 30 MB and 60 megapixels at most.",
        "trouble": "That did not work. Try again in a minute.",
        "missing": "That classifier is gone. Load this page again.",
        "login": "You are logged out. Load this page again.",
        "yours": "Your photo",
    },
    "fr": {
        "title": "Reconnaître",
        "lead": "Quel fruit voit-on sur une photo ?",
        "what": "Montrez-moi une photo : je nomme le fruit, je dis à quel point j’en suis sûr, "
        "et je montre les photos d’apprentissage les plus ressemblantes.",
        "samples_title": "Pas de photo sous la main ? Essayez l’une de celles-ci.",
        "sample": "Photo d’exemple",
        "choose": "Choisir une photo",
        "take": "Prendre une photo",
        "drop": "ou en déposer une ici",
        "private": "Les photos sont regardées puis oubliées : aucune n’est conservée.",
        "classifier": "Classifieur",
        "mine": "le mien",
        "team": "celui de l’équipe",
        "samples": "celui des exemples",
        "none_title": "Je n’ai encore appris aucun fruit",
        "none": "Exécutez pipeline.ipynb puis train.ipynb sur votre serveur, ce qui prend quelques "
        "minutes, puis rechargez cette page.",
        "open": "Ouvrir les notebooks",
        "trouble_title": "Pas disponible pour le moment",
        "server": "Mon serveur",
        "working": "Je regarde …",
        "unsure": "Pas sûr",
        "unfamiliar": "Cela ne ressemble pas à ce que j’ai appris. Le plus proche :",
        "undecided": "Trop serré pour trancher. Peut-être :",
        "others": "Ce que cela pourrait être d’autre",
        "all": "Ce que cela pourrait être",
        "nearest": "Les plus ressemblantes des photos d’apprentissage",
        "broken": "Ce fichier ne peut pas être lu comme une photo. Essayez-en une autre.",
        "large": "Cette photo est trop grande : 30 Mo et 60 mégapixels au plus.",
        "trouble": "Cela n’a pas marché. Réessayez dans une minute.",
        "missing": "Ce classifieur n’existe plus. Rechargez cette page.",
        "login": "Vous êtes déconnecté. Rechargez cette page.",
        "yours": "Votre photo",
    },
}
# French has a space before these marks, at which a line must not break.
TEXTS["fr"] = {
    name: re.sub(" (?=[?:;!…])", "\N{NO-BREAK SPACE}", t) for name, t in TEXTS["fr"].items()
}
