"""What the discriminator sees, and what the generator remembers: analyses that check themselves.

Each computes a frozen record first and draws it second. The maps (`gradcam`, `guided`, `activations`) read a
discriminator through `fixed`; `checks` asks whether the maps mean anything; `parts`, `removal` and `memory` ask the
generator; `pages` puts everything into one folder with an index page.
"""
